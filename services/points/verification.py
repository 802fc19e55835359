"""The invariants of the books, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.memory import MEMORY
from services.points.records import MOVES
from shared import erasures
from shared.verification import Finding, Invariant, findings


def _earned(kept: str) -> str:
    """Return the SQL for what the snapshot `award` gives for the part of its gross base that was kept (rules 3 and 13)."""
    number = "(award->>'{}')::numeric"
    base, gross, rate, minimum = (number.format(name) for name in ("base", "gross", "rate", "minimum"))
    tier = "coalesce((award->>'tier_multiplier')::numeric, 1)"
    lines = "coalesce((award->>'lines')::numeric, 1)"
    met = f"{kept} * (rule->>3)::numeric >= (rule->>2)::numeric * {lines}"
    best = f"""SELECT (rule->>1)::numeric FROM jsonb_array_elements(groups.group - 0) WITH ORDINALITY AS r(rule, place)
      WHERE {met} ORDER BY place LIMIT 1"""
    weight = f"""coalesce((SELECT sum((groups.group->>0)::numeric * coalesce(({best}), (award->>'other_lines')::numeric))
      FROM jsonb_array_elements(award->'groups') AS groups("group")), {lines})"""
    factor = f"div({base} * {kept} * {rate} * (b->>'factor')::numeric * (b->>'chosen')::numeric, {gross} * {lines})"
    bonuses = f"""coalesce((SELECT sum(least((b->>'room')::numeric, coalesce((b->>'points')::numeric, {factor})))
      FROM jsonb_array_elements(award->'bonuses') AS b
     WHERE {kept} * (b->>'chosen')::numeric >= (b->>'minimum')::numeric * {lines}), 0)"""
    return f"""CASE WHEN {kept} <= 0 OR {base} <= 0 OR {base} * {kept} < {minimum} * {gross} THEN 0
      ELSE div({base} * {kept} * {rate} * {tier} * {weight}, {gross} * {lines}) + {bonuses} END"""


MOVING = ", ".join(f"'{kind}'" for kind in sorted(MOVES))

INVARIANTS = (
    Invariant(
        "balance-is-sum-of-entries",
        "an account's available, pending and held points are the sum of its entries, numbered without a gap from 1",
        f"""
        SELECT customer_id, a.available, a.pending, a.held, a.sequence, e.points, e.entries, e.last
          FROM account a FULL JOIN (
            SELECT customer_id, sum(points) FILTER (WHERE kind NOT IN ({MOVING})) AS points, count(*) AS entries,
                max(sequence) AS last
              FROM entry GROUP BY customer_id) e USING (customer_id)
         WHERE a.customer_id IS NULL OR a.available + a.pending + a.held <> coalesce(e.points, 0)
            OR a.sequence <> coalesce(e.entries, 0) OR a.sequence <> coalesce(e.last, 0)""",
    ),
    Invariant(
        "entries-run",
        "each entry's balance is that of the one before and its own points, which some only move from side to side",
        f"""
        SELECT customer_id, sequence, kind, points, available_after, pending_after, held_after, running FROM (
          SELECT *, sum(CASE WHEN kind IN ({MOVING}) THEN 0 ELSE points END)
                OVER (PARTITION BY customer_id ORDER BY sequence) AS running,
              available_after - lag(available_after, 1, 0::bigint) OVER (PARTITION BY customer_id ORDER BY sequence)
                AS moved
            FROM entry) e
         WHERE running <> available_after + pending_after + held_after OR pending_after < 0 OR held_after < 0
            OR kind IN ({MOVING}) AND moved <> points""",
    ),
    Invariant(
        "the-last-entry-has-the-balance",
        "all sides of an account's balance are those after its last entry",
        """
        SELECT a.customer_id, a.available, e.available_after, a.pending, e.pending_after, a.held, e.held_after
          FROM account a JOIN entry e ON e.customer_id = a.customer_id AND e.sequence = a.sequence
         WHERE a.available <> e.available_after OR a.pending <> e.pending_after OR a.held <> e.held_after""",
    ),
    Invariant(
        "lots-are-the-balance",
        "the points that lots still hold are the available and the pending points; a debt is what no lot holds",
        """
        SELECT customer_id, a.available, a.pending, l.open, l.waiting FROM account a FULL JOIN (
            SELECT customer_id, coalesce(sum(remaining) FILTER (WHERE NOT pending), 0) AS open,
                coalesce(sum(remaining) FILTER (WHERE pending), 0) AS waiting
              FROM lot GROUP BY customer_id) l USING (customer_id)
         WHERE a.customer_id IS NULL OR greatest(a.available, 0) <> coalesce(l.open, 0)
            OR a.pending <> coalesce(l.waiting, 0)""",
    ),
    Invariant(
        "every-credit-has-its-lot",
        "each credit has a lot of its points, or gives them back to lots, and each lot has its credit",
        f"""
        SELECT customer_id, sequence, e.points AS entry_points, l.points AS lot_points, a.points AS given_back
          FROM (SELECT * FROM entry WHERE points > 0 AND kind NOT IN ({MOVING})) e
          FULL JOIN lot l USING (customer_id, sequence)
          LEFT JOIN (SELECT customer_id, debit_sequence AS sequence, -sum(points) AS points FROM allocation
             WHERE points < 0 GROUP BY 1, 2) a USING (customer_id, sequence)
         WHERE e.points IS DISTINCT FROM coalesce(l.points, a.points) OR l.points IS NOT NULL AND a.points IS NOT NULL""",
    ),
    Invariant(
        "expired-points-are-allocated",
        "what a lot says has expired is what expiries took out of it",
        """
        SELECT customer_id, l.sequence, l.expired, a.points AS allocated FROM lot l LEFT JOIN (
            SELECT a.customer_id, a.lot_sequence AS sequence, sum(a.points) AS points FROM allocation a
              JOIN entry e ON e.customer_id = a.customer_id AND e.sequence = a.debit_sequence AND e.kind = 'expiry'
             GROUP BY 1, 2) a USING (customer_id, sequence)
         WHERE l.expired <> coalesce(a.points, 0)""",
    ),
    Invariant(
        "journal-balances",
        "each day's entries debit what they credit, and leave on the points' accounts what lots, holds and debts come to",
        f"""
        WITH moved AS (
            SELECT kind, points, (occurred_at AT TIME ZONE 'UTC')::date AS day,
                greatest(available_after, 0) - greatest(lag(available_after, 1, 0::bigint) OVER before, 0) AS outstanding,
                least(available_after, 0) - least(lag(available_after, 1, 0::bigint) OVER before, 0) AS owed,
                pending_after - lag(pending_after, 1, 0::bigint) OVER before AS pending,
                held_after - lag(held_after, 1, 0::bigint) OVER before AS held
              FROM entry WINDOW before AS (PARTITION BY customer_id ORDER BY sequence)),
          days AS (
            SELECT day, sum(outstanding) AS outstanding, sum(owed) AS owed, sum(pending) AS pending, sum(held) AS held,
                coalesce(sum(points) FILTER (WHERE kind NOT IN ({MOVING})), 0) AS debits,
                coalesce(sum(points) FILTER (WHERE kind IN ('transfer_in', 'transfer_out')), 0) AS transfers
              FROM moved GROUP BY day)
        SELECT day::text AS line, outstanding + owed + pending + held AS journal, debits AS books FROM days
         WHERE outstanding + owed + pending + held <> debits
        UNION ALL
        SELECT line, coalesce(journal, 0), coalesce(books, 0) FROM (
            SELECT sum(outstanding) AS outstanding, sum(owed) AS owed, sum(pending) AS pending, sum(held) AS held,
                sum(transfers) AS transfers FROM days) d
          CROSS JOIN (
            SELECT sum(remaining) FILTER (WHERE NOT pending) AS open, sum(remaining) FILTER (WHERE pending) AS waiting
              FROM lot) l
          CROSS JOIN (SELECT sum(held) AS held FROM redemption_lot) h
          CROSS JOIN (SELECT sum(available) AS owed FROM account WHERE available < 0) a
          CROSS JOIN LATERAL (VALUES ('outstanding', d.outstanding, l.open), ('pending', d.pending, l.waiting),
            ('held', d.held, h.held), ('owed', d.owed, a.owed), ('transfers', d.transfers, 0)) AS t(line, journal, books)
         WHERE coalesce(journal, 0) <> coalesce(books, 0)""",
    ),
    Invariant(
        "what-is-due-is-watched",
        "an account is looked at no later than the first date of its open lots, or the end of its activity anywhere on earth",
        """
        SELECT a.customer_id, a.due_at, l.sequence, l.available_at, l.expires_at, a.inactive_on
          FROM account a JOIN lot l USING (customer_id)
         WHERE l.remaining > 0 AND CASE WHEN l.pending THEN l.available_at
             WHEN l.lapses THEN coalesce((a.inactive_on + interval '36 hours') AT TIME ZONE 'UTC', '-infinity')
             ELSE l.expires_at END < coalesce(a.due_at, 'infinity')""",
    ),
    Invariant(
        "accounts-were-settled-under-a-programme",
        "the programme that an account was settled under was published, so that a change of it is noticed",
        """
        SELECT customer_id, settled_under FROM account LEFT JOIN programme ON version = settled_under
         WHERE version IS NULL""",
    ),
    Invariant(
        "lots-give-what-is-allocated",
        "what a lot has given is what is allocated from it, less what was given back, and what holds have of it",
        """
        SELECT customer_id, l.sequence, l.points, l.remaining, a.points AS allocated
          FROM lot l FULL JOIN (
            SELECT customer_id, sequence, sum(points) AS points FROM (
                SELECT customer_id, lot_sequence AS sequence, points FROM allocation
                UNION ALL SELECT customer_id, lot_sequence, held FROM redemption_lot) parts
             GROUP BY 1, 2) a USING (customer_id, sequence)
         WHERE l.customer_id IS NULL OR l.points - l.remaining <> coalesce(a.points, 0)""",
    ),
    Invariant(
        "debits-are-allocated-or-owed",
        "a debit takes no more than its points out of lots, and what all debits lack is the debt",
        """
        SELECT customer_id, a.available, d.missing, d.worst FROM account a FULL JOIN (
            SELECT e.customer_id, sum(-e.points - coalesce(al.points, 0)) AS missing,
                min(-e.points - coalesce(al.points, 0)) AS worst
              FROM entry e LEFT JOIN (
                SELECT customer_id, debit_sequence AS sequence, sum(points) AS points FROM allocation GROUP BY 1, 2) al
                USING (customer_id, sequence)
             WHERE e.points < 0 AND e.kind <> 'hold' GROUP BY e.customer_id) d USING (customer_id)
         WHERE a.customer_id IS NULL OR coalesce(d.worst, 0) < 0
            OR coalesce(d.missing, 0) <> greatest(-a.available, 0)""",
    ),
    Invariant(
        "only-debits-are-allocated",
        "points are allocated to debits, and given back by restorations",
        """
        SELECT a.*, e.kind FROM allocation a
          LEFT JOIN entry e ON e.customer_id = a.customer_id AND e.sequence = a.debit_sequence
         WHERE e.kind IS NULL OR e.kind = 'hold'
            OR CASE WHEN a.points > 0 THEN e.points >= 0 ELSE e.kind <> 'restoration' END""",
    ),
    Invariant(
        "redemptions-are-their-lots",
        "what is held, spent and given back of a redemption is that of its lots",
        """
        SELECT redemption_id, r.held, r.captured, r.restored, l.held AS held_of_lots, l.captured AS captured_of_lots,
            l.restored AS restored_of_lots
          FROM redemption r FULL JOIN (
            SELECT redemption_id, sum(held) AS held, sum(captured) AS captured, sum(restored) AS restored
              FROM redemption_lot GROUP BY 1) l USING (redemption_id)
         WHERE r.held IS DISTINCT FROM l.held OR r.captured <> l.captured OR r.restored <> l.restored""",
    ),
    Invariant(
        "redemptions-have-their-entries",
        "what was spent of redemptions is what their entries took, and what was given back what restorations brought",
        """
        SELECT customer_id, r.captured, e.redeemed, r.restored, e.restored AS brought FROM (
            SELECT coalesce(merged_into, customer_id) AS customer_id, sum(captured) AS captured, sum(restored) AS restored
              FROM redemption JOIN account USING (customer_id) GROUP BY 1) r
          FULL JOIN (
            SELECT coalesce(merged_into, customer_id) AS customer_id,
                coalesce(-sum(points) FILTER (WHERE kind = 'redemption'), 0) AS redeemed,
                coalesce(sum(points) FILTER (WHERE kind = 'restoration'), 0) AS restored
              FROM entry JOIN account USING (customer_id) WHERE kind IN ('redemption', 'restoration') GROUP BY 1) e
            USING (customer_id)
         WHERE coalesce(r.captured, 0) <> coalesce(e.redeemed, 0) OR coalesce(r.restored, 0) <> coalesce(e.restored, 0)""",
    ),
    Invariant(
        "holds-are-the-held-side",
        "an account's held points are those of its open holds, and it is looked at when the first of them times out",
        """
        SELECT customer_id, a.held, h.held AS of_holds, a.due_at, h.first FROM account a FULL JOIN (
            SELECT customer_id, sum(held) AS held, min(hold_until) AS first FROM redemption WHERE held > 0 GROUP BY 1) h
            USING (customer_id)
         WHERE a.held IS DISTINCT FROM coalesce(h.held, 0) OR h.first < coalesce(a.due_at, 'infinity')""",
    ),
    Invariant(
        "purchases-are-paid-by-redemptions",
        "the points that paid for a purchase are what its redemptions spent, less what refunds gave back",
        """
        SELECT shop_id, invoice_number, p.redeemed, p.restored, r.spent FROM (
            SELECT * FROM purchase WHERE redeemed > 0) p
          FULL JOIN (SELECT shop_id, invoice_number, sum(captured - restored) AS spent FROM redemption
             WHERE paid_purchase GROUP BY 1, 2) r USING (shop_id, invoice_number)
         WHERE p.redeemed - p.restored IS DISTINCT FROM r.spent""",
    ),
    Invariant(
        "rewards-count-their-claims",
        "what is gone of a reward's stock are its claims that were not cancelled, and never more than there are",
        """
        SELECT reward_id, r.claimed, c.live, r.stock FROM (
            SELECT reward_id, claimed, (document->>'stock')::bigint AS stock FROM reward) r
          FULL JOIN (
            SELECT reward_id, count(*) AS live FROM reward_claim WHERE status <> 'cancelled' GROUP BY 1) c
            USING (reward_id)
         WHERE r.claimed IS DISTINCT FROM coalesce(c.live, 0) OR r.claimed > r.stock""",
    ),
    Invariant(
        "claims-are-paid-by-redemptions",
        "a claim was paid by a redemption of its customer and its points, all of which came back if it was cancelled",
        """
        SELECT claim_id, c.status, c.customer_id, c.points, r.redemption_id, r.customer_id AS payer, r.captured, r.restored
          FROM reward_claim c FULL JOIN (SELECT * FROM redemption WHERE claim_id IS NOT NULL) r USING (claim_id)
         WHERE (c.redemption_id, c.customer_id, c.points) IS DISTINCT FROM (r.redemption_id, r.customer_id, r.captured)
            OR r.restored <> CASE c.status WHEN 'cancelled' THEN c.points ELSE 0 END OR r.paid_purchase""",
    ),
    Invariant(
        "claims-are-of-their-reward",
        "a claim is of a reward that the catalogue knows, and of its kind",
        """
        SELECT claim_id, reward_id, c.kind, r.document->'value'->>'kind' AS reward_kind
          FROM reward_claim c LEFT JOIN reward r USING (reward_id)
         WHERE c.kind IS DISTINCT FROM r.document->'value'->>'kind'""",
    ),
    Invariant(
        "purchases-are-awarded-once",
        "a booked purchase's points are those of its award entry, and every award entry belongs to one purchase",
        """
        SELECT p.shop_id, p.invoice_number, customer_id, sequence, p.points, e.points AS entry_points
          FROM (SELECT shop_id, invoice_number, customer_id, entry_sequence AS sequence, points
                  FROM purchase WHERE status = 'booked' AND points > 0) p
          FULL JOIN (SELECT * FROM entry WHERE kind = 'award') e USING (customer_id, sequence)
         WHERE p.points IS DISTINCT FROM e.points""",
    ),
    Invariant(
        "purchases-have-their-customer",
        "a booked purchase has a customer with an account and the snapshot of its award; one that waits has earned nothing",
        """
        SELECT p.shop_id, p.invoice_number, p.status, p.customer_id, p.points FROM purchase p
          LEFT JOIN account a USING (customer_id)
         WHERE CASE p.status WHEN 'booked' THEN a.customer_id IS NULL OR p.award IS NULL OR p.document IS NOT NULL
               WHEN 'awaited' THEN p.total IS NOT NULL OR p.points <> 0
               WHEN 'unclaimed' THEN p.points <> 0 OR p.award IS NOT NULL
               ELSE p.document IS NULL OR p.points <> 0 OR p.award IS NOT NULL END""",
    ),
    Invariant(
        "awards-follow-their-rules",
        "a purchase's points are what its snapshot gives, line by line of its breakdown",
        f"""
        SELECT shop_id, invoice_number, points, given, deserved, award FROM (
          SELECT shop_id, invoice_number, points, award, {_earned("(award->>'gross')::numeric")} AS deserved,
              (SELECT coalesce(sum((part->>'points')::bigint), 0) FROM jsonb_array_elements(award->'breakdown') AS part)
                AS given
            FROM purchase WHERE award IS NOT NULL) p
         WHERE points <> deserved OR points <> given""",
    ),
    Invariant(
        "refunds-add-up",
        "what a purchase counts as refunded is the sum of its booked refunds, never more than was paid",
        """
        SELECT shop_id, invoice_number, p.total, p.refunded, r.amount, p.settled, r.settled AS of_settlements, p.clawed_back,
            r.points, r.expired
          FROM purchase p FULL JOIN (
            SELECT shop_id, invoice_number, sum(amount) AS amount, sum(points) AS points, sum(part) AS part,
                sum(expired) AS expired, sum(settled) AS settled
              FROM (
                SELECT shop_id, invoice_number, amount, points, points_paid_part AS part, points_expired AS expired,
                    0 AS settled
                  FROM refund WHERE status = 'booked'
                UNION ALL SELECT shop_id, invoice_number, 0, clawed_back, 0, clawed_back_expired, amount
                  FROM settlement) parts
             GROUP BY 1, 2) r USING (shop_id, invoice_number)
         WHERE p.shop_id IS NULL OR p.refunded <> coalesce(r.amount, 0) OR p.refunded > p.total
            OR p.clawed_back <> coalesce(r.points, 0) OR p.refunded_points_paid <> coalesce(r.part, 0)
            OR p.clawed_back_expired <> coalesce(r.expired, 0) OR p.settled <> coalesce(r.settled, 0)""",
    ),
    Invariant(
        "clawbacks-follow-their-rule",
        "what was clawed back is what was earned less what the kept part earns by the same rules (rule 13)",
        f"""
        SELECT shop_id, invoice_number, points, clawed_back, refunded_eligible, deserved FROM (
          SELECT *, {_earned("kept")} AS deserved FROM (
            SELECT *, greatest((award->>'gross')::numeric - refunded_eligible, 0) AS kept
              FROM purchase WHERE award IS NOT NULL AND (refunded > 0 OR settled > 0)) p) p
         WHERE points - clawed_back <> deserved""",
    ),
    Invariant(
        "clawbacks-have-their-entries",
        "each clawback entry belongs to a refund or settlement and has its points, but for those that had expired already",
        """
        SELECT reference, sequence, r.points, e.points AS entry_points
          FROM (SELECT concat_ws('/', shop_id, invoice_number, refund_id) AS reference, entry_sequence AS sequence,
                    points - points_expired AS points
                  FROM refund WHERE points > points_expired
                UNION ALL SELECT redemption_id, entry_sequence, clawed_back - clawed_back_expired FROM settlement
                 WHERE clawed_back > clawed_back_expired) r
          FULL JOIN (SELECT * FROM entry WHERE kind = 'clawback') e USING (reference, sequence)
         WHERE r.points IS DISTINCT FROM -e.points""",
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
        SELECT p.shop_id, p.invoice_number, p.card_number, c.customer_id FROM purchase p
          LEFT JOIN card c USING (card_number)
         WHERE p.status = 'parked' AND (c.card_number IS NULL OR c.customer_id IS NOT NULL)""",
    ),
    Invariant(
        "lifetime-is-awards-less-clawbacks",
        "an account's lifetime points are what its purchases earned and kept, those of accounts merged into it with them",
        """
        SELECT customer_id, a.lifetime_points, p.points FROM account a LEFT JOIN (
            SELECT coalesce(merged_into, customer_id) AS customer_id, sum(points - clawed_back) AS points
              FROM purchase JOIN account USING (customer_id) WHERE purchase.status = 'booked' GROUP BY 1) p
            USING (customer_id)
         WHERE a.lifetime_points <> coalesce(p.points, 0)""",
    ),
    Invariant(
        "progress-follows-purchases",
        "what counts towards tiers is what purchases earned, less what was clawed back, and grants that qualify; their number is known",
        """
        SELECT customer_id, a.purchases, p.purchases AS booked, p.points, t.points AS granted, g.points AS counted
          FROM account a LEFT JOIN (
            SELECT coalesce(merged_into, customer_id) AS customer_id, sum(points - clawed_back) AS points,
                count(*) AS purchases
              FROM purchase JOIN account USING (customer_id) WHERE purchase.status = 'booked' GROUP BY 1) p
            USING (customer_id) LEFT JOIN (
            SELECT coalesce(merged_into, customer_id) AS customer_id, sum(points) AS points
              FROM points_grant JOIN account USING (customer_id)
             WHERE points_grant.status = 'granted' AND qualifying GROUP BY 1) t USING (customer_id) LEFT JOIN (
            SELECT customer_id, sum(points) AS points FROM progress GROUP BY 1) g USING (customer_id)
         WHERE coalesce(p.points, 0) + coalesce(t.points, 0) <> coalesce(g.points, 0) OR coalesce(p.purchases, 0) <> a.purchases""",
    ),
    Invariant(
        "spend-follows-purchases",
        "the spend that counts towards tiers is what purchases came to, less what was taken back",
        """
        SELECT customer_id, p.spend, g.spend AS counted FROM (
            SELECT coalesce(merged_into, customer_id) AS customer_id,
                sum(greatest((award->>'gross')::numeric - refunded_eligible, 0)) AS spend
              FROM purchase JOIN account USING (customer_id) WHERE purchase.status = 'booked' GROUP BY 1) p
          FULL JOIN (SELECT customer_id, sum(spend) AS spend FROM progress GROUP BY 1) g USING (customer_id)
         WHERE coalesce(p.spend, 0) <> coalesce(g.spend, 0)""",
    ),
    Invariant(
        "tiers-are-what-they-changed-to",
        "an account's tier is that of its last change",
        """
        SELECT customer_id, a.tier, c.reached FROM account a LEFT JOIN (
            SELECT DISTINCT ON (customer_id) customer_id, reached FROM tier_change
             ORDER BY customer_id, event_sequence DESC) c USING (customer_id)
         WHERE a.tier IS DISTINCT FROM c.reached""",
    ),
    Invariant(
        "uses-follow-awards",
        "what campaigns gave to a customer is what the breakdowns of their purchases say",
        """
        SELECT customer_id, campaign, u.points, u.awards, a.points AS awarded, a.times FROM campaign_use u
          FULL JOIN (
            SELECT coalesce(merged_into, customer_id) AS customer_id, part->>'rule' AS campaign,
                sum((part->>'points')::bigint) AS points, count(*) AS times
              FROM purchase JOIN account USING (customer_id), jsonb_array_elements(award->'breakdown') AS part
             WHERE purchase.status = 'booked' AND part->>'points' <> '0' AND EXISTS (
                SELECT FROM programme v, jsonb_array_elements(v.document->'campaigns') AS named
                 WHERE v.version = (award->>'version')::int AND named->>'name' = part->>'rule')
             GROUP BY 1, 2) a USING (customer_id, campaign)
         WHERE u.points IS DISTINCT FROM a.points OR u.awards IS DISTINCT FROM a.times""",
    ),
    Invariant(
        "transfers-are-pairs",
        "what one account gave in a merge the other got, points and debts alike",
        """
        SELECT source, target, sum(points) AS points FROM (
            SELECT customer_id AS source, substr(reference, 4) AS target, points FROM entry
             WHERE kind IN ('transfer_in', 'transfer_out') AND reference LIKE 'to %'
            UNION ALL SELECT substr(reference, 6), customer_id, points FROM entry
             WHERE kind IN ('transfer_in', 'transfer_out') AND reference LIKE 'from %') t
         GROUP BY 1, 2 HAVING sum(points) <> 0""",
    ),
    Invariant(
        "gifts-are-pairs",
        "what one customer gave, or a household brought together, another got",
        """
        SELECT reference, t.points, t.given, g.points AS gift FROM (
            SELECT reference, sum(points) AS points, -sum(points) FILTER (WHERE kind = 'transfer_out') AS given FROM entry
             WHERE kind IN ('transfer_in', 'transfer_out') AND (reference LIKE 'gift %' OR reference LIKE 'pool %')
             GROUP BY 1) t
          FULL JOIN (SELECT 'gift ' || gift_id AS reference, points FROM gift) g USING (reference)
         WHERE t.points IS DISTINCT FROM 0 OR reference LIKE 'gift %' AND t.given IS DISTINCT FROM g.points""",
    ),
    Invariant(
        "lots-know-where-they-came-from",
        "a lot that came from a merged account is no larger than the one it was there",
        """
        SELECT l.customer_id, l.sequence, l.points, l.origin_customer_id, l.origin_sequence, o.points AS origin_points
          FROM lot l LEFT JOIN account a ON a.customer_id = l.origin_customer_id
          LEFT JOIN lot o ON o.customer_id = l.origin_customer_id AND o.sequence = l.origin_sequence
         WHERE l.origin_customer_id IS NOT NULL
           AND (o.points IS NULL OR o.points < l.points OR a.merged_into IS NULL)""",
    ),
    Invariant(
        "campaigns-keep-to-their-budgets",
        "a budget has given what customers were given, which is what the breakdowns say",
        """
        SELECT campaign, b.points, u.points AS used, a.points AS awarded, b.awards, u.awards AS times
          FROM campaign_budget b LEFT JOIN (
            SELECT campaign, sum(points) AS points, sum(awards) AS awards FROM campaign_use GROUP BY 1) u USING (campaign)
          FULL JOIN (
            SELECT part->>'rule' AS campaign, sum((part->>'points')::bigint) AS points
              FROM purchase, jsonb_array_elements(award->'breakdown') AS part
             WHERE part->>'rule' IN (SELECT campaign FROM campaign_budget) AND EXISTS (
                SELECT FROM programme v, jsonb_array_elements(v.document->'campaigns') AS named
                 WHERE v.version = (award->>'version')::int AND named->>'name' = part->>'rule') GROUP BY 1) a
            USING (campaign)
         WHERE b.points <> coalesce(u.points, 0) OR b.awards <> coalesce(u.awards, 0) OR b.points <> coalesce(a.points, 0)""",
    ),
    Invariant(
        "accounts-have-their-card",
        "an account's card is known as its own, or as that of the account that it was merged into; whoever was erased has none",
        """
        SELECT a.customer_id, a.card_number, c.customer_id AS owner FROM account a LEFT JOIN card c USING (card_number)
          LEFT JOIN erasure e ON e.customer_id = a.customer_id
         WHERE CASE WHEN e.customer_id IS NOT NULL THEN a.card_number IS NOT NULL
             ELSE c.customer_id IS DISTINCT FROM coalesce(a.merged_into, a.customer_id) END""",
    ),
    Invariant(
        "erased-accounts-are-over",
        "whoever was erased has an account that ended with nothing, under each of their names, and nobody else has",
        """
        SELECT coalesce(a.customer_id, e.customer_id) AS customer_id, t.status, t.available, t.pending, t.held, e.erased_at
          FROM account a JOIN account t ON t.customer_id = coalesce(a.merged_into, a.customer_id)
          FULL JOIN erasure e ON e.customer_id = a.customer_id
         WHERE (e.customer_id IS NULL) = (t.status IS NOT DISTINCT FROM 'erased')
            OR t.status = 'erased' AND (t.available <> 0 OR t.pending <> 0 OR t.held <> 0)""",
    ),
    Invariant(
        "the-erased-are-forgotten",
        "of those of whom everything was deleted no row holds anything any more",
        erasures.remains(MEMORY),
    ),
    Invariant(
        "merged-accounts-are-empty",
        "an account that was merged has nothing left, and goes on in one that was not",
        """
        SELECT a.customer_id, a.available, a.pending, a.held, a.merged_into, t.merged_into AS further
          FROM account a LEFT JOIN account t ON t.customer_id = a.merged_into
         WHERE a.merged_into IS NOT NULL
           AND (a.available <> 0 OR a.pending <> 0 OR a.held <> 0 OR t.customer_id IS NULL OR t.merged_into IS NOT NULL)""",
    ),
    Invariant(
        "adjustments-have-their-entries",
        "each adjustment that is booked, and each action, has an entry of its points, and each such entry one of them",
        """
        SELECT customer_id, sequence, d.points, e.points AS entry_points
          FROM (SELECT customer_id, entry_sequence AS sequence, points FROM adjustment WHERE status = 'booked'
             UNION ALL SELECT customer_id, entry_sequence, points FROM action_given) d
          FULL JOIN (SELECT * FROM entry WHERE kind = 'adjustment') e USING (customer_id, sequence)
         WHERE d.points IS DISTINCT FROM e.points""",
    ),
    Invariant(
        "grants-have-their-entries",
        "each grant that came in time has an entry of its points for its customer, and each such entry is one grant's",
        """
        SELECT reference, customer_id, sequence, g.status, g.points, e.points AS entry_points
          FROM (SELECT source || '/' || reward_id AS reference, customer_id, entry_sequence AS sequence, points, status
                  FROM points_grant WHERE status = 'granted' OR entry_sequence IS NOT NULL) g
          FULL JOIN (SELECT * FROM entry WHERE kind = 'grant') e USING (reference, customer_id, sequence)
         WHERE g.points IS DISTINCT FROM e.points""",
    ),
    Invariant(
        "revocations-have-their-entries",
        "each grant that was taken back has an entry of its points, but for those that had expired already",
        """
        SELECT reference, sequence, g.points, e.points AS entry_points
          FROM (SELECT source || '/' || reward_id AS reference, revocation_sequence AS sequence,
                    points - revoked_expired AS points
                  FROM points_grant
                 WHERE (status = 'revoked' AND entry_sequence IS NOT NULL AND points > revoked_expired)
                    OR revocation_sequence IS NOT NULL) g
          FULL JOIN (SELECT * FROM entry WHERE kind = 'revocation') e USING (reference, sequence)
         WHERE g.points IS DISTINCT FROM -e.points""",
    ),
    Invariant(
        "grants-are-nothing-once-revoked",
        "of customers, what grants brought less what revocations took and what had expired is what stands granted",
        """
        SELECT source, g.standing, e.brought, g.expired FROM (
            SELECT source, sum(points) FILTER (WHERE status = 'granted') AS standing, sum(revoked_expired) AS expired
              FROM points_grant GROUP BY 1) g
          FULL JOIN (SELECT split_part(reference, '/', 1) AS source, sum(points) AS brought FROM entry
             WHERE kind IN ('grant', 'revocation') GROUP BY 1) e USING (source)
         WHERE coalesce(g.standing, 0) <> coalesce(e.brought, 0) - coalesce(g.expired, 0)""",
    ),
    Invariant(
        "proposals-are-decided-by-another",
        "what had to be approved is booked where another API key approved it, and what waits is decided by nobody",
        """
        SELECT adjustment_id, status, actor, decided_by FROM adjustment
         WHERE CASE status WHEN 'booked' THEN decided_by = actor
             WHEN 'rejected' THEN decided_by IS NULL ELSE decided_by IS NOT NULL OR points <= 0 END""",
    ),
    Invariant(
        "keys-know-what-they-gave",
        "what counts towards an API key's limit of a day is what it gave then without another key",
        """
        SELECT actor, "on", c.points, d.points AS given FROM (SELECT * FROM credit_day WHERE points <> 0) c
          FULL JOIN (SELECT actor, "on", sum(points) AS points FROM adjustment
             WHERE status = 'booked' AND decided_by IS NULL AND points > 0 AND "on" IS NOT NULL GROUP BY 1, 2) d
            USING (actor, "on")
         WHERE c.points IS DISTINCT FROM d.points""",
    ),
    Invariant(
        "actions-are-of-their-programme",
        "the points of an action are those that its version of the programme has for it, and its entry is named after it",
        """
        SELECT g.customer_id, g.action, g.points, g.programme_version, e.reference FROM action_given g
          LEFT JOIN programme v ON v.version = g.programme_version
          LEFT JOIN entry e ON e.customer_id = g.customer_id AND e.sequence = g.entry_sequence
         WHERE e.reference IS DISTINCT FROM 'action ' || g.action OR NOT coalesce(v.document->'actions', '[]')
             @> jsonb_build_array(jsonb_build_object('name', g.action, 'points', g.points))""",
    ),
    Invariant(
        "surprises-were-drawn",
        "a campaign with a share gave points only for purchases that its secret draws",
        """
        SELECT shop_id, invoice_number, campaign, share, draw FROM (
          SELECT p.shop_id, p.invoice_number, part->>'rule' AS campaign, (named->>'share')::numeric AS share,
              ('x' || encode(substr(sha256(s.secret || convert_to(p.shop_id || chr(31) || p.invoice_number, 'UTF8')), 1, 7),
                'hex'))::bit(56)::bigint AS draw
            FROM purchase p CROSS JOIN jsonb_array_elements(p.award->'breakdown') AS part
            JOIN programme v ON v.version = (p.award->>'version')::int
            JOIN jsonb_array_elements(v.document->'campaigns') AS named
              ON named->>'name' = part->>'rule' AND named->>'share' IS NOT NULL
            LEFT JOIN draw_secret s ON s.campaign = part->>'rule') d
         WHERE (draw < share * 72057594037927936) IS NOT TRUE""",
    ),
    Invariant(
        "events-are-numbered",
        "a customer's events in the outbox follow each other without a gap, and the last is the account's last",
        """
        SELECT customer_id, a.event_sequence, o.first, o.last, o.events FROM (
          SELECT key AS customer_id, min(number) AS first, max(number) AS last, count(DISTINCT number) AS events FROM (
            SELECT key, (convert_from(payload, 'UTF8')::jsonb->>'sequence')::bigint AS number
              FROM outbox WHERE topic = 'loyalty.points') o GROUP BY 1) o
          LEFT JOIN account a USING (customer_id)
         WHERE a.event_sequence IS DISTINCT FROM o.last OR o.last - o.first + 1 <> o.events""",
    ),
)


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
