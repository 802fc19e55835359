"""The invariants of coupons, consents, what was planned and what customers bought, each a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.memory import MEMORY
from shared import erasures
from shared.verification import Finding, Invariant, findings

ERASED = (
    Invariant(
        "the-erased-are-over",
        "whoever was erased is marked so under every name and has nothing that is open, and nobody else is marked",
        """
        SELECT coalesce(c.customer_id, e.customer_id) AS customer_id, t.erased_at, o.coupon_id, n.notification_id
          FROM customer c JOIN customer t ON t.customer_id = coalesce(c.merged_into, c.customer_id)
          FULL JOIN erasure e ON e.customer_id = c.customer_id
          LEFT JOIN coupon o ON o.customer_id = e.customer_id AND o.status IN ('issued', 'reserved')
          LEFT JOIN notification n ON n.customer_id = e.customer_id AND n.status = 'planned'
         WHERE (t.erased_at IS NULL) <> (e.customer_id IS NULL)
            OR o.coupon_id IS NOT NULL OR n.notification_id IS NOT NULL""",
    ),
    Invariant(
        "the-erased-are-forgotten",
        "of those of whom everything was deleted no row holds anything any more",
        erasures.remains(MEMORY),
    ),
)

PEOPLE = "SELECT customer_id, coalesce(merged_into, customer_id) AS person FROM customer"

PLANS = (
    Invariant(
        "a-thing-is-said-once",
        "of what is said to a customer about one thing there is one row, unless they were two customers",
        """
        SELECT customer_id, subject, reference, count(*) AS rows
          FROM notification n WHERE NOT EXISTS (SELECT FROM customer m WHERE m.merged_into = n.customer_id)
         GROUP BY customer_id, subject, reference HAVING count(*) > 1""",
    ),
    Invariant(
        "a-season-is-the-year-of-its-day",
        "what is planned of an occasion is about a day and counts for its year; nothing else has a day",
        """
        SELECT customer_id, subject, reference, day FROM notification
         WHERE CASE WHEN subject LIKE 'occasion:%'
               THEN (reference = extract(year FROM day)::text) IS NOT TRUE
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

SAYINGS = (
    Invariant(
        "a-delivery-is-of-a-message",
        "what we deliver is of a message that was requested, and went on as its delivery did",
        """
        SELECT d.notification_id, d.status, n.status AS message FROM dispatch d LEFT JOIN notification n USING (notification_id)
         WHERE (n.customer_id = d.customer_id AND n.status = ANY (CASE d.status
           WHEN 'waiting' THEN ARRAY['requested'] WHEN 'sent' THEN ARRAY['sent', 'failed', 'planned', 'suppressed']
           ELSE ARRAY['failed', 'planned', 'suppressed'] END)) IS NOT TRUE""",
    ),
    Invariant(
        "nothing-is-kept-of-what-is-over",
        "a message and its address are kept for as long as it is to be delivered",
        """
        SELECT notification_id, status FROM dispatch
         WHERE (status = 'waiting') <> (address IS NOT NULL) OR (status = 'waiting') <> (message IS NOT NULL)""",
    ),
    Invariant(
        "a-gift-is-of-its-occasion",
        "a coupon of an occasion is that of the one message which brought it, to the same customer",
        """
        SELECT c.coupon_id, c.customer_id FROM coupon c
         WHERE c.origin = 'occasion' AND NOT EXISTS (
           SELECT FROM notification n WHERE n.notification_id = c.coupon_id::uuid AND n.coupon_id = c.coupon_id
              AND n.subject LIKE 'occasion:%' AND n.customer_id = c.customer_id)""",
    ),
    Invariant(
        "what-was-said-was-said-somewhere",
        "a message that was requested or sent names its channel and when",
        """
        SELECT notification_id, status FROM notification
         WHERE status IN ('requested', 'sent') AND (channel IS NULL OR said_at IS NULL)""",
    ),
)

CONSENTS = (
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
        "a purchase that was taken back as a whole keeps no coupon, unless it is said to",
        """
        SELECT s.shop_id, s.invoice_number, s.total, s.refunded, u.code
          FROM sale s JOIN coupon_use u USING (shop_id, invoice_number)
         WHERE u.reason IS NULL AND s.total > 0 AND s.refunded >= s.total AND u.status = 'redeemed'""",
    ),
    Invariant(
        "a-coupon-ends-once",
        "a coupon has an end exactly where it is redeemed, void or over",
        """
        SELECT coupon_id, status, ended_at FROM coupon
         WHERE (status IN ('redeemed', 'voided', 'expired')) <> (ended_at IS NOT NULL)""",
    ),
    Invariant(
        "a-history-is-its-purchases",
        "a customer's purchases, turnover, first and last purchase are those of the purchases under all of their names",
        f"""
        WITH s AS (
          SELECT p.person, count(*) AS purchases, min(occurred_at) AS first, max(occurred_at) AS last,
              sum(CASE WHEN is_turnover THEN greatest(total - refunded, 0) ELSE 0 END) AS turnover
            FROM sale JOIN ({PEOPLE}) p USING (customer_id) WHERE total IS NOT NULL GROUP BY 1)
        SELECT c.customer_id, c.purchases, s.purchases AS counted, c.turnover, s.turnover AS summed
          FROM customer c LEFT JOIN s ON s.person = c.customer_id
         WHERE erased_at IS NULL AND merged_into IS NULL
           AND (c.purchases, c.turnover, c.first_purchase_at, c.last_purchase_at) IS DISTINCT FROM
             (coalesce(s.purchases, 0), coalesce(s.turnover, 0), s.first, s.last)""",
    ),
    Invariant(
        "categories-are-those-of-the-purchases",
        "what a customer bought of a category is in so many of their purchases",
        f"""
        WITH s AS (
          SELECT p.person AS customer_id, category, count(*) AS purchases, max(occurred_at) AS last_at
            FROM sale JOIN ({PEOPLE}) p USING (customer_id), jsonb_array_elements_text(categories) AS category GROUP BY 1, 2)
        SELECT customer_id, category, b.purchases, s.purchases AS counted
          FROM bought b FULL JOIN s USING (customer_id, category) JOIN customer c USING (customer_id)
         WHERE erased_at IS NULL AND (b.purchases, b.last_at) IS DISTINCT FROM (s.purchases, s.last_at)""",
    ),
    Invariant(
        "no-purchase-waits-for-a-card-that-is-known",
        "a purchase is nobody's only while nobody knows whose its card is",
        "SELECT shop_id, invoice_number, card_number FROM sale s JOIN card USING (card_number) WHERE s.customer_id IS NULL",
    ),
    Invariant(
        "who-goes-on-as-another-has-nothing-of-their-own",
        "an alias leads to a customer that goes on as no other, and has neither profile nor history",
        """
        SELECT g.customer_id, g.merged_into, t.merged_into AS further
          FROM customer g LEFT JOIN customer t ON t.customer_id = g.merged_into
         WHERE g.merged_into IS NOT NULL AND (t.customer_id IS NULL OR t.merged_into IS NOT NULL OR g.purchases > 0
           OR g.turnover <> 0 OR coalesce(g.email, g.family_name, g.given_name, g.phone) IS NOT NULL
           OR EXISTS (SELECT FROM bought b WHERE b.customer_id = g.customer_id)
           OR EXISTS (SELECT FROM own_date o WHERE o.customer_id = g.customer_id))""",
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

INVARIANTS = (*COUPONS, *CONSENTS, *PLANS, *SAYINGS, *ERASED)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
