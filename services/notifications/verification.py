"""The invariants of coupons and of what customers bought, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.verification import Finding, Invariant, findings

PEOPLE = "SELECT customer_id, coalesce(merged_into, customer_id) AS person FROM customer"

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
)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
