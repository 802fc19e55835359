"""The invariants of coupons and of what was planned, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.verification import Finding, Invariant, findings

PLANS = (
    Invariant(
        "a-thing-is-said-once",
        "of what is said to a customer about one thing there is one row",
        """
        SELECT customer_id, subject, reference, count(*) AS rows
          FROM notification GROUP BY customer_id, subject, reference HAVING count(*) > 1""",
    ),
    Invariant(
        "a-season-is-the-year-of-its-day",
        "what is planned of an occasion is about a day, counts for its year and is due before its end; nothing else has a day",
        """
        SELECT customer_id, subject, reference, day, due_at, until FROM notification
         WHERE CASE WHEN subject LIKE 'occasion:%'
               THEN (reference = extract(year FROM day)::text AND due_at < until) IS NOT TRUE
               ELSE day IS NOT NULL END""",
    ),
    Invariant(
        "a-digest-has-something-to-tell",
        "a digest of points that is due one day tells of points that came in",
        """
        SELECT customer_id, reference, due_at, content FROM notification
         WHERE subject = 'points_digest' AND due_at < timestamptz '2200-01-01 00:00:00+00'
           AND ((content ->> 'awarded')::bigint + (content ->> 'activated')::bigint > 0) IS NOT TRUE""",
    ),
    Invariant(
        "a-reminder-is-of-a-coupon-that-can-be-used",
        "a coupon that somebody is to be reminded of is theirs, has not ended, and is known to be told of",
        """
        SELECT n.customer_id, n.reference, c.status, c.announced
          FROM notification n LEFT JOIN coupon c ON c.coupon_id = n.reference
         WHERE n.subject = 'coupon_expiring' AND n.status = 'planned'
           AND (c.customer_id = n.customer_id AND c.ended_at IS NULL AND c.announced) IS NOT TRUE""",
    ),
)

INVARIANTS = (
    *PLANS,
    Invariant(
        "a-coupon-is-taken-by-one-purchase",
        "a redeemed coupon has one use that redeemed it, by the purchase it names, and any other coupon none",
        """
        SELECT c.coupon_id, c.code, c.status, c.shop_id, c.invoice_number, u.uses
          FROM coupon c LEFT JOIN LATERAL (
            SELECT count(*) AS uses, count(*) FILTER (
                WHERE u.shop_id = c.shop_id AND u.invoice_number = c.invoice_number) AS own
              FROM coupon_use u WHERE u.code = c.code AND u.status = 'redeemed') u ON true
         WHERE (u.uses, u.own) <> (CASE c.status WHEN 'redeemed' THEN 1 ELSE 0 END, CASE c.status WHEN 'redeemed' THEN 1 ELSE 0 END)""",
    ),
    Invariant(
        "no-code-waits-for-a-coupon-that-is-there",
        "a use of a code that nobody knows is of one that has no coupon",
        """
        SELECT u.code, u.shop_id, u.invoice_number, c.coupon_id
          FROM coupon_use u JOIN coupon c ON c.code = u.code WHERE u.status = 'unknown'""",
    ),
    Invariant(
        "what-was-taken-back-uses-nothing",
        "a purchase that was taken back as a whole keeps no coupon",
        """
        SELECT s.shop_id, s.invoice_number, s.total, s.refunded, u.code
          FROM sale s JOIN coupon_use u USING (shop_id, invoice_number)
         WHERE s.total > 0 AND s.refunded >= s.total AND u.status = 'redeemed'""",
    ),
    Invariant(
        "a-coupon-ends-once",
        "a coupon has an end exactly where it is redeemed, void or over",
        """
        SELECT coupon_id, status, ended_at FROM coupon
         WHERE (status IN ('redeemed', 'voided', 'expired')) <> (ended_at IS NOT NULL)""",
    ),
)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
