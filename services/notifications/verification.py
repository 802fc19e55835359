"""The invariants of coupons and consents, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.verification import Finding, Invariant, findings

INVARIANTS = (
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
    Invariant(
        "consents-have-their-proofs",
        "a consent has when and how it was asked for, confirmed or withdrawn, as its state says",
        """
        SELECT customer_id, channel, purpose, state, asked_at, confirmed_at, withdrawn_at FROM consent
         WHERE (state <> 'withdrawn' AND asked_at IS NULL) OR (state = 'asked' AND confirmed_at IS NOT NULL)
            OR (state = 'withdrawn') <> (withdrawn_at IS NOT NULL)
            OR (asked_at IS NULL) <> (asked_how IS NULL) OR (confirmed_at IS NULL) <> (confirmed_how IS NULL)
            OR (withdrawn_at IS NULL) <> (withdrawn_how IS NULL)""",
    ),
    Invariant(
        "the-last-word-counts",
        "a consent that is withdrawn was not asked for or confirmed after that",
        """
        SELECT customer_id, channel, purpose, asked_at, confirmed_at, withdrawn_at FROM consent
         WHERE state = 'withdrawn' AND greatest(asked_at, confirmed_at) > withdrawn_at""",
    ),
    Invariant(
        "questions-are-about-a-consent",
        "whoever is asked to confirm something has said something about it",
        """
        SELECT n.notification_id, n.customer_id, n.reference
          FROM notification n LEFT JOIN consent c ON c.customer_id = n.customer_id
           AND c.channel = n.content ->> 'channel' AND c.purpose = n.content ->> 'purpose'
         WHERE n.subject = 'confirm_consent' AND n.status = 'planned' AND c.customer_id IS NULL""",
    ),
    Invariant(
        "addresses-that-take-messages-have-no-row",
        "of an address something is known: that messages came back, or a complaint",
        """
        SELECT channel, address FROM address
         WHERE soft_bounces = 0 AND bounced_at IS NULL AND complained_at IS NULL""",
    ),
)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
