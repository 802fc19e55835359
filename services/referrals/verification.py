"""The invariants of recommendations and pairs, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.verification import Finding, Invariant, findings

# whatever name a customer had when it happened
SAME = """
EXISTS (SELECT FROM customer c WHERE c.customer_id = {one} AND coalesce(c.merged_into, c.customer_id) IN (
  SELECT coalesce(d.merged_into, d.customer_id) FROM customer d WHERE d.customer_id = {other}))"""

LEFT = "u.amount - greatest(u.taken_back, u.amount - (u.total - u.refunded))"

SIDES = """
SELECT pair_id, 'referrer' AS side, referrer_id AS customer_id, referrer_shop_id AS shop_id,
    referrer_invoice_number AS invoice_number FROM pair WHERE status = 'completed'
 UNION ALL
SELECT pair_id, 'friend', friend_id, friend_shop_id, friend_invoice_number FROM pair WHERE status = 'completed'"""

MET = f"""
u.status = 'booked' AND u.currency = p.currency AND {LEFT} >= p.minimum AND {LEFT} > 0
  AND u.occurred_at >= p.accepted_at AND u.occurred_at < p.expires_at
  AND CASE p.kind WHEN 'each_buys' THEN {SAME.format(one="u.customer_id", other="s.customer_id")}
    ELSE {SAME.format(one="u.customer_id", other="p.referrer_id")} AND {SAME.format(one="u.companion_id", other="p.friend_id")}
      OR {SAME.format(one="u.customer_id", other="p.friend_id")} AND {SAME.format(one="u.companion_id", other="p.referrer_id")} END"""

# one whose time is over makes room, whether or not that was booked
STANDS = "status = 'completed' OR status = 'accepted' AND expires_at > now()"

PAIRS: tuple[Invariant, ...] = (
    Invariant(
        "pair-both-or-none",
        "both of a completed pair were rewarded for the time that it was, and nobody has anything of another",
        """SELECT p.pair_id, p.status, p.round, g.rewards, g.of_round FROM pair p LEFT JOIN (
             SELECT q.pair_id, count(*) AS rewards, count(*) FILTER (WHERE r.round = q.round) AS of_round
               FROM pair_reward r JOIN pair q USING (pair_id) WHERE r.status = 'given' GROUP BY q.pair_id) g USING (pair_id)
            WHERE coalesce(g.rewards, 0) <> 2 * (p.status = 'completed')::int
               OR coalesce(g.of_round, 0) <> 2 * (p.status = 'completed')::int""",
    ),
    Invariant(
        "pair-rounds",
        "each time that a pair was complete, both got their reward",
        """SELECT p.pair_id, p.round, count(r.reward_id) AS rewards FROM pair p LEFT JOIN pair_reward r USING (pair_id)
            GROUP BY p.pair_id, p.round HAVING count(r.reward_id) <> 2 * p.round""",
    ),
    Invariant(
        "pair-purchases",
        "a completed pair stands on purchases that still do what its offer asked",
        f"""SELECT s.pair_id, s.side, s.shop_id, s.invoice_number FROM ({SIDES}) s JOIN pair p USING (pair_id)
              LEFT JOIN purchase u USING (shop_id, invoice_number) WHERE ({MET}) IS NOT TRUE""",
    ),
    Invariant(
        "offer-budget",
        "an offer has as many places taken as pairs that were accepted and stand, and never more than its budget",
        """SELECT o.offer_id, o.reserved, count(p.pair_id) AS pairs, o.document->>'budget' AS budget FROM offer o
             LEFT JOIN pair p ON p.offer_id = o.offer_id AND p.status IN ('accepted', 'completed')
            GROUP BY o.offer_id
           HAVING o.reserved <> count(p.pair_id) OR count(p.pair_id) > (o.document->>'budget')::bigint""",
    ),
    Invariant(
        "offer-limit",
        "under one name nobody is of more pairs than the offer allows",
        f"""SELECT m.customer_id, o.offer_id, count(*) AS pairs, o.document->>'per_customer' AS per_customer FROM (
             SELECT offer_id, referrer_id AS customer_id FROM pair WHERE {STANDS}
              UNION ALL
             SELECT offer_id, friend_id FROM pair WHERE {STANDS}) m
             JOIN offer o USING (offer_id)
            GROUP BY m.customer_id, o.offer_id HAVING count(*) > (o.document->>'per_customer')::bigint""",
    ),
)

INVARIANTS: tuple[Invariant, ...] = PAIRS


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
