"""The invariants of recommendations, pairs and partners, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.memory import MEMORY
from services.referrals.programme import Programme
from services.referrals.terms import DIGITS, USUAL_DIGITS
from shared import erasures
from shared.codes import ALPHABET
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

# a document leaves out what it has from the house
HOUSE = Programme().model_dump_json(
    include={
        *("currency", "minimum", "window_days", "hold_days", "friend", "referrer"),
        *("rewards_per_referrer_and_month", "ladder"),
    }
)

RULES = f"SELECT version AS programme_version, '{HOUSE}'::jsonb || document AS rules FROM programme"
"""What each version of the programme says."""

PEOPLE = "SELECT customer_id, coalesce(merged_into, customer_id) AS person FROM customer"
"""As whom customers go on."""

SALES = f"""
SELECT person, p.*, p.amount - greatest(p.taken_back, p.amount - (p.total - p.refunded)) AS kept
  FROM purchase p JOIN ({PEOPLE}) who USING (customer_id) WHERE p.status = 'booked'"""

REFERRALS = f"""
SELECT r.*, friend.person AS friend, referrer.person AS referrer, rules FROM referral r
  LEFT JOIN ({RULES}) rules USING (programme_version)
  LEFT JOIN ({PEOPLE}) friend ON friend.customer_id = r.friend_id
  LEFT JOIN ({PEOPLE}) referrer ON referrer.customer_id = r.referrer_id"""

SYMBOL = f"strpos('{ALPHABET}', substr(replace(code, '-', ''), place + 1, 1)) - 1"
"""The element that a symbol stands for; see `shared.codes`."""

DIGITS_OF = " ".join(f"WHEN '{currency}' THEN {digits}" for currency, digits in sorted(DIGITS.items()))
"""How many digits the amounts of a currency have after the point, as cases of it."""

PARTNERS = (
    Invariant(
        "commissions-are-on-statements",
        "a commission that is due is the sum of its lines, and one that waits or was taken back has lines that come to nothing",
        """
        SELECT referral_id, shop_id, invoice_number, c.status, c.amount, l.booked FROM commission c FULL JOIN (
            SELECT referral_id, shop_id, invoice_number, sum(amount) AS booked FROM statement_line GROUP BY 1, 2, 3) l
          USING (referral_id, shop_id, invoice_number)
         WHERE c.status IS NULL OR coalesce(l.booked, 0) <> CASE c.status WHEN 'due' THEN c.amount ELSE 0 END""",
    ),
    Invariant(
        "commissions-follow-their-terms",
        "what a sale earns is what the terms of its claim give for what is left of it, to half of the smallest coin",
        f"""
        SELECT c.referral_id, c.shop_id, c.invoice_number, c.amount, c.sold, c.refunded, p.amount AS counts, p.taken_back,
            t.document->'commission' AS commission
          FROM commission c LEFT JOIN referral r ON r.referral_id = c.referral_id
          LEFT JOIN purchase p ON p.shop_id = c.shop_id AND p.invoice_number = c.invoice_number
          LEFT JOIN partner_terms t ON t.partner_id = c.partner_id AND t.version = r.terms_version
         WHERE c.status <> 'reversed' AND (c.partner_id = r.partner_id AND c.currency = p.currency AND c.sold = p.amount
           AND c.refunded = greatest(p.taken_back, p.amount - p.total + p.refunded)
           AND c.sold - c.refunded >= (t.document->>'minimum')::numeric
           AND CASE t.document->'commission'->>'kind' WHEN 'fixed' THEN c.amount = (t.document->'commission'->>'amount')::numeric
             ELSE abs(c.amount - (c.sold - c.refunded) * (t.document->'commission'->>'percent')::numeric / 100)
               <= 0.5 * 10::numeric ^ -(CASE c.currency {DIGITS_OF} ELSE {USUAL_DIGITS} END) END) IS NOT TRUE""",
    ),
    Invariant(
        "no-sale-pays-two-partners",
        "of a sale at most one referral has a commission that was not taken back",
        """
        SELECT shop_id, invoice_number, count(*) AS referrals, min(partner_id) AS partner_id, max(partner_id) AS other FROM (
            SELECT shop_id, invoice_number, referral_id, partner_id FROM statement_line
             GROUP BY 1, 2, 3, 4 HAVING sum(amount) > 0
             UNION SELECT shop_id, invoice_number, referral_id, partner_id FROM commission WHERE status = 'held') c
         GROUP BY 1, 2 HAVING count(*) > 1""",
    ),
    Invariant(
        "holds-of-commissions-are-watched",
        "a referral knows when the first hold of its commissions is over, and is looked at by then",
        """
        SELECT referral_id, r.commissions_due_at, r.due_at, c.due_at AS held_until FROM referral r LEFT JOIN (
            SELECT referral_id, min(hold_until) AS due_at FROM commission WHERE status = 'held' GROUP BY 1) c
          USING (referral_id)
         WHERE r.commissions_due_at IS DISTINCT FROM c.due_at OR (r.due_at <= c.due_at) IS FALSE
            OR r.due_at IS NULL AND c.due_at IS NOT NULL""",
    ),
    Invariant(
        "lines-are-numbered",
        "a partner's lines are numbered from 1 without a gap, and their months never go back",
        """
        SELECT partner_id, p.line_number, l.lines, l.last, l.back FROM partner p FULL JOIN (
            SELECT partner_id, count(*) AS lines, max(number) AS last, count(*) FILTER (WHERE month < before) AS back FROM (
                SELECT *, lag(month) OVER (PARTITION BY partner_id ORDER BY number) AS before FROM statement_line) l
             GROUP BY 1) l USING (partner_id)
         WHERE p.line_number IS DISTINCT FROM coalesce(l.lines, 0) OR l.lines <> l.last OR l.back > 0""",
    ),
    Invariant(
        "payouts-are-what-statements-say",
        "a payout is the sum of all lines up to the end of its month, less the payouts before it",
        """
        SELECT partner_id, month, o.amount, o.booked, o.before FROM (
          SELECT *, coalesce((SELECT sum(l.amount) FROM statement_line l
                WHERE l.partner_id = p.partner_id AND l.month <= p.month), 0) AS booked,
              coalesce(sum(amount) OVER (PARTITION BY partner_id ORDER BY month
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM payout p) o
         WHERE o.amount <> o.booked - o.before""",
    ),
    Invariant(
        "partners-know-what-they-were-paid",
        "a partner was paid the sum of their payouts, up to the month of the last",
        """
        SELECT partner_id, p.paid, p.paid_through, o.paid AS payouts, o.last FROM partner p FULL JOIN (
            SELECT partner_id, sum(amount) AS paid, max(month) AS last FROM payout GROUP BY 1) o USING (partner_id)
         WHERE p.paid IS DISTINCT FROM coalesce(o.paid, 0) OR p.paid_through IS DISTINCT FROM o.last""",
    ),
    Invariant(
        "paid-statements-are-closed",
        "no line was written onto a statement after it had been paid",
        """
        SELECT l.partner_id, l.number, l.month, l.booked_at, o.paid_at FROM statement_line l
          JOIN payout o ON o.partner_id = l.partner_id AND l.month <= o.month AND l.booked_at > o.paid_at""",
    ),
    Invariant(
        "events-of-partners-are-numbered",
        "a partner's events in the outbox follow each other without a gap, and the last is the partner's last",
        """
        SELECT partner_id, p.event_sequence, o.first, o.last, o.events FROM (
          SELECT key AS partner_id, min(number) AS first, max(number) AS last, count(DISTINCT number) AS events FROM (
            SELECT key, (event->>'sequence')::bigint AS number FROM (
              SELECT key, convert_from(payload, 'UTF8')::jsonb AS event FROM outbox WHERE topic = 'loyalty.referrals') o
             WHERE event->>'id' LIKE 'partner@%') o GROUP BY 1) o
          LEFT JOIN partner p USING (partner_id)
         WHERE p.event_sequence IS DISTINCT FROM o.last OR o.last - o.first + 1 <> o.events""",
    ),
)

REFERRED = (
    Invariant(
        "friends-have-one-referral",
        "of a friend, whatever they are called, one referral counts",
        f"""
        SELECT friend, count(*) AS referrals, min(referral_id) AS referral_id FROM ({REFERRALS}) r
         WHERE status <> 'rejected' GROUP BY friend HAVING count(*) > 1""",
    ),
    Invariant(
        "nobody-referred-themselves",
        "nobody is their own referrer, directly or through others, whatever they are called",
        f"""
        WITH RECURSIVE edge AS MATERIALIZED (
            SELECT friend, referrer FROM ({REFERRALS}) r WHERE status <> 'rejected' AND referrer_id IS NOT NULL),
          up AS (
            SELECT friend, referrer FROM edge
             UNION SELECT up.friend, edge.referrer FROM up JOIN edge ON edge.friend = up.referrer)
        SELECT friend FROM up WHERE referrer = friend""",
    ),
    Invariant(
        "referrals-have-their-parts",
        "a referral has a programme, a friend who is known, and where it counts the code of its referrer or partner",
        f"""
        SELECT referral_id, r.code, friend_id, referrer_id, r.partner_id, programme_version, c.customer_id, c.partner_id AS of_partner
          FROM ({REFERRALS}) r LEFT JOIN code c USING (code) LEFT JOIN ({PEOPLE}) owner ON owner.customer_id = c.customer_id
         WHERE rules IS NULL OR friend IS NULL OR r.status <> 'rejected' AND (c.code IS NULL
            OR (owner.person, c.partner_id) IS DISTINCT FROM (r.referrer, r.partner_id))""",
    ),
    Invariant(
        "referrals-are-watched-until-they-are-due",
        "a review ends at its deadline, a hold so many days after the purchase, the window so many after the claim; the first"
        " hold of a commission may be over before",
        f"""
        SELECT referral_id, status, due_at, review_until, qualified_at, hold_until, claimed_at, qualifies_until
          FROM ({REFERRALS}) r
         WHERE due_at IS DISTINCT FROM least(
                CASE status WHEN 'review' THEN review_until WHEN 'qualified' THEN hold_until END, commissions_due_at)
            OR (status = 'review') <> (review_until IS NOT NULL)
            OR status IN ('qualified', 'rewarded') AND hold_until IS DISTINCT FROM
                qualified_at + interval '1 second' * 86400 * (rules->>'hold_days')::int
            OR qualifies_until IS DISTINCT FROM
                claimed_at + interval '1 second' * 86400 * (rules->>'window_days')::int""",
    ),
    Invariant(
        "refusals-have-their-reason",
        "of a referral that does not count, or waits for staff, it is known why",
        "SELECT referral_id, status FROM referral WHERE status IN ('rejected', 'review') AND reason IS NULL",
    ),
    Invariant(
        "nobody-had-bought-before",
        "a friend whose referral counts had bought nothing before they claimed, under any of their names",
        f"""
        SELECT referral_id, friend, claimed_at, s.shop_id, s.invoice_number, s.occurred_at
          FROM ({REFERRALS}) r JOIN ({SALES}) s ON s.person = r.friend
         WHERE r.status <> 'rejected' AND s.occurred_at < r.claimed_at""",
    ),
    Invariant(
        "the-first-purchase-that-is-big-enough-qualifies",
        "a referral is qualified by the friend's first purchase in the window that reaches the minimum, refunds considered",
        f"""
        SELECT referral_id, r.status, r.shop_id, r.invoice_number, first.shop_id AS first_shop, first.invoice_number AS first
          FROM ({REFERRALS}) r LEFT JOIN (
            SELECT DISTINCT ON (referral_id) referral_id, s.shop_id, s.invoice_number, s.occurred_at
              FROM ({REFERRALS}) r JOIN ({SALES}) s ON s.person = r.friend
             WHERE r.status <> 'rejected' AND s.occurred_at >= r.claimed_at AND s.occurred_at < r.qualifies_until
               AND s.currency = rules->>'currency' AND s.kept >= (rules->>'minimum')::numeric AND s.kept > 0
             ORDER BY referral_id, s.occurred_at, s.shop_id COLLATE "C", s.invoice_number COLLATE "C") first
            USING (referral_id)
         WHERE CASE WHEN r.status IN ('qualified', 'rewarded')
               THEN (r.shop_id, r.invoice_number, r.qualified_at)
                 IS DISTINCT FROM (first.shop_id, first.invoice_number, first.occurred_at)
               ELSE r.status = 'claimed' AND first.shop_id IS NOT NULL END""",
    ),
    Invariant(
        "first-purchases-are-known",
        "a customer's first purchase is the earliest under any of their names",
        f"""
        SELECT customer_id, first_purchase_at, s.first FROM customer LEFT JOIN (
            SELECT person AS customer_id, min(occurred_at) AS first FROM ({SALES}) s GROUP BY 1) s USING (customer_id)
         WHERE merged_into IS NULL AND first_purchase_at IS DISTINCT FROM s.first""",
    ),
    Invariant(
        "rewards-follow-their-referral",
        "a qualified referral has given the friend's reward and holds the referrer's, a rewarded one gave it unless the month"
        " was full, and of any other nothing is left",
        f"""
        SELECT referral_id, r.status, r.round, reward_id, w.side, w.round AS reward_round, w.status AS reward FROM (
            SELECT referral_id, status, round, side FROM ({REFERRALS}) r CROSS JOIN (VALUES ('friend'), ('referrer')) s(side)
             WHERE status IN ('qualified', 'rewarded') AND rules->side <> 'null'
               AND (side = 'friend' OR referrer_id IS NOT NULL)) r
          FULL JOIN (SELECT * FROM reward WHERE rung IS NULL) w USING (referral_id, side, round)
         WHERE w.status IS NULL OR CASE WHEN r.status IS NULL THEN w.status NOT IN ('cancelled', 'reversed', 'capped')
             WHEN side = 'friend' THEN w.status <> 'given' WHEN r.status = 'qualified' THEN w.status <> 'held'
             ELSE w.status NOT IN ('given', 'capped') END""",
    ),
    Invariant(
        "rewards-are-given-once",
        "each side of a referral has one reward at most that was given and not taken back, and a customer each rung once",
        """
        SELECT referral_id, side, NULL AS customer_id, NULL AS rung, count(*) AS given FROM reward
         WHERE status = 'given' AND rung IS NULL GROUP BY 1, 2 HAVING count(*) > 1
        UNION ALL SELECT NULL, side, customer_id, rung, count(*) FROM reward
         WHERE status = 'given' AND rung IS NOT NULL GROUP BY 2, 3, 4 HAVING count(*) > 1""",
    ),
    Invariant(
        "rewards-are-of-their-customer",
        "a reward is the friend's or the referrer's, whatever they are called now",
        f"""
        SELECT reward_id, w.side, w.customer_id, r.friend_id, r.referrer_id FROM reward w
          LEFT JOIN ({REFERRALS}) r USING (referral_id) LEFT JOIN ({PEOPLE}) who ON who.customer_id = w.customer_id
         WHERE who.person IS DISTINCT FROM CASE w.side WHEN 'friend' THEN r.friend ELSE r.referrer END""",
    ),
    Invariant(
        "rewards-are-those-of-the-programme",
        "a reward is what the programme of its referral gives to that side, or for that rung",
        f"""
        SELECT reward_id, programme_version, w.benefit, promised FROM (
            SELECT w.*, r.programme_version, CASE WHEN rung IS NULL THEN jsonb_strip_nulls(rules->w.side) ELSE (
                SELECT jsonb_strip_nulls(each->'benefit') FROM jsonb_array_elements(rules->'ladder') AS each
                 WHERE (each->>'count')::int = rung) END AS promised
              FROM reward w LEFT JOIN ({REFERRALS}) r USING (referral_id)) w
         WHERE benefit IS DISTINCT FROM promised""",
    ),
    Invariant(
        "months-keep-to-their-cap",
        "a referrer gets no more rewards in a month than the programme allows; those taken back count",
        f"""
        SELECT w.customer_id, w.month, count(*) AS rewards, max((rules->>'rewards_per_referrer_and_month')::int) AS most
          FROM reward w JOIN ({REFERRALS}) r USING (referral_id)
         WHERE w.side = 'referrer' AND w.rung IS NULL AND w.status IN ('given', 'reversed')
         GROUP BY 1, 2 HAVING count(*) > max((rules->>'rewards_per_referrer_and_month')::int)
            AND bool_and(rules->>'rewards_per_referrer_and_month' IS NOT NULL)""",
    ),
    Invariant(
        "the-ladder-follows-the-count",
        "a rung stands while so many referrals are rewarded; who has had one programme and one name has every rung that is reached",
        f"""
        WITH rewarded AS (
            SELECT referrer AS person, count(*) FILTER (WHERE status = 'rewarded') AS referrals,
                count(DISTINCT programme_version) = 1 AND bool_and(referrer = referrer_id)
                  AND NOT EXISTS (SELECT FROM customer m WHERE m.merged_into = referrer) AS is_plain,
                (array_agg(rules))[1] AS rules
              FROM ({REFERRALS}) r WHERE referrer IS NOT NULL GROUP BY 1),
          standing AS (
            SELECT DISTINCT person, rung FROM reward JOIN ({PEOPLE}) who USING (customer_id)
             WHERE status = 'given' AND rung IS NOT NULL)
        SELECT person, rung, referrals FROM standing LEFT JOIN rewarded USING (person) WHERE coalesce(referrals, 0) < rung
        UNION ALL SELECT person, reached.rung, referrals FROM rewarded
          CROSS JOIN LATERAL (
            SELECT (each->>'count')::int AS rung FROM jsonb_array_elements(rules->'ladder') AS each) reached
          LEFT JOIN standing USING (person, rung)
         WHERE is_plain AND reached.rung <= referrals AND standing.person IS NULL""",
    ),
    Invariant(
        "refunds-add-up",
        "what was refunded of a purchase is the sum of its booked refunds, never more than was paid, and so is what counts of it",
        """
        SELECT shop_id, invoice_number, p.total, p.amount, p.refunded, r.amount AS of_refunds, p.taken_back, r.counting
          FROM purchase p LEFT JOIN (
            SELECT shop_id, invoice_number, sum(r.amount) AS amount, count(*) AS refunds,
                sum(greatest(0, r.amount - r.shipping - r.gift_cards
                  - coalesce(r.points_paid, p.points_paid * r.amount / nullif(p.total, 0), 0))) AS counting
              FROM refund r JOIN purchase p USING (shop_id, invoice_number) WHERE r.status = 'booked' GROUP BY 1, 2) r
            USING (shop_id, invoice_number)
         WHERE p.refunded <> coalesce(r.amount, 0) OR p.amount > p.total OR p.amount < 0 OR p.refunded > p.total
            OR abs(p.taken_back - coalesce(r.counting, 0)) > coalesce(0.0001 * r.refunds, 0)""",
    ),
    Invariant(
        "no-refund-waits-for-a-purchase-that-came",
        "refunds wait only for purchases that have not come",
        """
        SELECT r.shop_id, r.invoice_number, r.refund_id, p.status FROM refund r
          LEFT JOIN purchase p USING (shop_id, invoice_number)
         WHERE r.status = 'waiting' AND p.status IS DISTINCT FROM 'awaited'""",
    ),
    Invariant(
        "no-purchase-waits-for-a-card-that-is-known",
        "purchases wait only for cards without an owner",
        """
        SELECT p.shop_id, p.invoice_number, p.card_number, c.customer_id FROM purchase p JOIN card c USING (card_number)
         WHERE p.status = 'parked'""",
    ),
    Invariant(
        "the-erased-are-over",
        "whoever was erased is marked so under every name, claims and is claimed by nothing, and nobody else is marked",
        """
        SELECT coalesce(c.customer_id, e.customer_id) AS customer_id, t.erased, e.erased_at, o.code
          FROM customer c JOIN customer t ON t.customer_id = coalesce(c.merged_into, c.customer_id)
          FULL JOIN erasure e ON e.customer_id = c.customer_id
          LEFT JOIN code o ON o.customer_id = c.customer_id AND o.retired_at IS NULL AND t.erased
         WHERE t.erased IS DISTINCT FROM (e.customer_id IS NOT NULL) OR o.code IS NOT NULL""",
    ),
    Invariant(
        "the-erased-are-forgotten",
        "of those of whom everything was deleted no row holds anything any more",
        erasures.remains(MEMORY),
    ),
    Invariant(
        "codes-check",
        "a generated code is one that a slip of the tongue does not make",
        f"""
        WITH RECURSIVE folded AS (
            SELECT code, 0 AS place, 0 AS rest FROM code WHERE kind = 'generated'
             UNION ALL SELECT code, place + 1, CASE WHEN times_x & 32 > 0 THEN times_x # 37 ELSE times_x END
              FROM (SELECT *, (rest # ({SYMBOL})) << 1 AS times_x FROM folded WHERE place < 7) f)
        SELECT code, customer_id FROM folded JOIN code USING (code)
         WHERE place = 7 AND (rest <> {SYMBOL} OR code !~ '^[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}$')""",
    ),
    Invariant(
        "merged-customers-go-on-as-one",
        "whoever a customer goes on as is known, and goes on as nobody else",
        """
        SELECT c.customer_id, c.merged_into, t.merged_into AS further FROM customer c
          LEFT JOIN customer t ON t.customer_id = c.merged_into
         WHERE c.merged_into IS NOT NULL AND (t.customer_id IS NULL OR t.merged_into IS NOT NULL)""",
    ),
    Invariant(
        "events-are-numbered",
        "a customer's events follow each other without a gap as far as they are kept, and the last is the customer's last",
        """
        SELECT customer_id, c.event_sequence, o.first, o.last, o.events FROM (
          SELECT customer_id, min(number) AS first, max(number) AS last, count(DISTINCT number) AS events FROM (
            SELECT key AS customer_id, (said->>'sequence')::bigint AS number FROM (
              SELECT topic, key, convert_from(payload, 'UTF8')::jsonb AS said FROM outbox
               UNION ALL SELECT topic, key, convert_from(payload, 'UTF8')::jsonb FROM outbox_sent) o
             WHERE topic = 'loyalty.referrals' AND said->'data'->>'partner_id' IS DISTINCT FROM key) o GROUP BY 1) o
          LEFT JOIN customer c USING (customer_id)
         WHERE c.event_sequence IS DISTINCT FROM o.last OR o.last - o.first + 1 <> o.events""",
    ),
)

INVARIANTS = (*REFERRED, *PAIRS, *PARTNERS)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
