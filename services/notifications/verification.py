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

COUPONS = (
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
        SELECT u.code, u.shop_id, u.invoice_number FROM coupon_use u
          JOIN (SELECT code FROM coupon UNION ALL SELECT code FROM shared_code) c USING (code)
         WHERE u.status = 'unknown'""",
    ),
    Invariant(
        "what-was-taken-back-uses-nothing",
        "a purchase that was taken back as a whole keeps no coupon, unless the code is one that stays used",
        """
        SELECT s.shop_id, s.invoice_number, s.total, s.refunded, u.code
          FROM sale s JOIN coupon_use u USING (shop_id, invoice_number) LEFT JOIN shared_code c USING (code)
         WHERE c.refund_frees IS NOT FALSE AND s.total > 0 AND s.refunded >= s.total AND u.status = 'redeemed'""",
    ),
    Invariant(
        "a-coupon-ends-once",
        "a coupon has an end exactly where it is redeemed, void or over",
        """
        SELECT coupon_id, status, ended_at FROM coupon
         WHERE (status IN ('redeemed', 'voided', 'expired')) <> (ended_at IS NOT NULL)""",
    ),
    Invariant(
        "a-use-has-its-code",
        "what was redeemed is a coupon, or a code for everybody",
        """
        SELECT u.code, u.shop_id, u.invoice_number FROM coupon_use u
          LEFT JOIN coupon c USING (code) LEFT JOIN shared_code s USING (code)
         WHERE u.status = 'redeemed' AND c.code IS NULL AND s.code IS NULL""",
    ),
    Invariant(
        "a-code-is-one-or-the-other",
        "no coupon has the code of all",
        "SELECT c.coupon_id, c.code FROM coupon c JOIN shared_code s USING (code)",
    ),
    Invariant(
        "a-shared-code-counts-what-is-used",
        "a code for everybody counts the purchases that redeemed it and the baskets that keep it, and what they were given",
        """
        SELECT s.code, s.uses, s.amount, found.uses AS found_uses, found.amount AS found_amount
          FROM shared_code s LEFT JOIN LATERAL (
            SELECT count(*) AS uses, coalesce(sum(u.amount), 0) AS amount FROM (
              SELECT amount FROM coupon_use WHERE code = s.code AND status = 'redeemed'
               UNION ALL SELECT amount FROM shared_reservation WHERE code = s.code) u) found ON true
         WHERE (s.uses, s.amount) <> (found.uses, found.amount)""",
    ),
    Invariant(
        "a-customer-has-a-shared-code-as-often-as-anybody-may",
        "no customer has a code for everybody more often than each may",
        """
        SELECT s.code, u.customer_id, count(*) AS uses, s.most_per_customer
          FROM shared_code s JOIN (
            SELECT code, customer_id FROM coupon_use WHERE status = 'redeemed'
             UNION ALL SELECT code, customer_id FROM shared_reservation) u USING (code)
         WHERE s.most_per_customer IS NOT NULL AND u.customer_id IS NOT NULL
         GROUP BY s.code, u.customer_id HAVING count(*) > s.most_per_customer""",
    ),
    Invariant(
        "what-is-kept-is-of-a-shared-code",
        "what a basket keeps is a use of a code for everybody",
        "SELECT code, reservation FROM shared_reservation r WHERE NOT EXISTS (SELECT FROM shared_code WHERE code = r.code)",
    ),
)

INVARIANTS = (*COUPONS, *PLANS)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
