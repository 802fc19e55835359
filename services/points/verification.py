"""The invariants of the books, each as a query that returns the rows that break it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold; `broken` selects the rows for which it does not."""

    name: str
    states: str
    broken: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant: how many rows break it, and the first of them."""

    name: str
    states: str
    count: int
    rows: Sequence[dict[str, Any]]


INVARIANTS = (
    Invariant(
        "balance-is-sum-of-entries",
        "an account's available points are the sum of its entries, numbered without a gap from 1",
        """
        SELECT customer_id, a.available, a.sequence, e.points, e.entries, e.last
          FROM account a FULL JOIN (
            SELECT customer_id, sum(points) AS points, count(*) AS entries, max(sequence) AS last
              FROM entry GROUP BY customer_id) e USING (customer_id)
         WHERE a.customer_id IS NULL OR a.available <> coalesce(e.points, 0)
            OR a.sequence <> coalesce(e.entries, 0) OR a.sequence <> coalesce(e.last, 0)""",
    ),
    Invariant(
        "entries-run",
        "each entry's balance is that of the one before and its own points",
        """
        SELECT customer_id, sequence, points, available_after, running FROM (
          SELECT customer_id, sequence, points, available_after,
            sum(points) OVER (PARTITION BY customer_id ORDER BY sequence) AS running FROM entry) e
         WHERE running <> available_after""",
    ),
    Invariant(
        "lots-are-the-balance",
        "the points that lots still hold are the available points; a debt is what no lot holds",
        """
        SELECT customer_id, a.available, l.remaining
          FROM account a FULL JOIN (SELECT customer_id, sum(remaining) AS remaining FROM lot GROUP BY customer_id) l
            USING (customer_id)
         WHERE a.customer_id IS NULL OR greatest(a.available, 0) <> coalesce(l.remaining, 0)""",
    ),
    Invariant(
        "every-credit-has-its-lot",
        "each credit has a lot of its points, and each lot its credit",
        """
        SELECT customer_id, sequence, e.points AS entry_points, l.points AS lot_points
          FROM (SELECT * FROM entry WHERE points > 0) e FULL JOIN lot l USING (customer_id, sequence)
         WHERE e.points IS DISTINCT FROM l.points""",
    ),
    Invariant(
        "lots-give-what-is-allocated",
        "what a lot has given is what is allocated from it",
        """
        SELECT customer_id, l.sequence, l.points, l.remaining, a.points AS allocated
          FROM lot l FULL JOIN (
            SELECT customer_id, lot_sequence AS sequence, sum(points) AS points FROM allocation GROUP BY 1, 2) a
            USING (customer_id, sequence)
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
             WHERE e.points < 0 GROUP BY e.customer_id) d USING (customer_id)
         WHERE a.customer_id IS NULL OR coalesce(d.worst, 0) < 0
            OR coalesce(d.missing, 0) <> greatest(-a.available, 0)""",
    ),
    Invariant(
        "only-debits-are-allocated",
        "points are allocated to debits",
        """
        SELECT a.* FROM allocation a LEFT JOIN entry e ON e.customer_id = a.customer_id AND e.sequence = a.debit_sequence
         WHERE e.points IS NULL OR e.points >= 0""",
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
               ELSE p.document IS NULL OR p.points <> 0 OR p.award IS NOT NULL END""",
    ),
    Invariant(
        "awards-follow-their-rules",
        "a purchase's points are its earn base times its rate, rounded down once, nothing below the minimum",
        """
        SELECT shop_id, invoice_number, points, award FROM purchase
         WHERE award IS NOT NULL AND points <> CASE
           WHEN (award->>'base')::numeric <= 0 OR (award->>'base')::numeric < (award->>'minimum')::numeric THEN 0
           ELSE floor((award->>'base')::numeric * (award->>'rate')::numeric) END""",
    ),
    Invariant(
        "refunds-add-up",
        "what a purchase counts as refunded is the sum of its booked refunds, never more than was paid",
        """
        SELECT shop_id, invoice_number, p.total, p.refunded, r.amount, p.clawed_back, r.points
          FROM purchase p FULL JOIN (
            SELECT shop_id, invoice_number, sum(amount) AS amount, sum(points) AS points, sum(points_paid_part) AS part
              FROM refund WHERE status = 'booked' GROUP BY 1, 2) r USING (shop_id, invoice_number)
         WHERE p.shop_id IS NULL OR p.refunded <> coalesce(r.amount, 0) OR p.refunded > p.total
            OR p.clawed_back <> coalesce(r.points, 0) OR p.refunded_points_paid <> coalesce(r.part, 0)""",
    ),
    Invariant(
        "clawbacks-follow-their-rule",
        "what was clawed back is what was earned less what the kept part earns by the same rules (rule 13)",
        """
        SELECT shop_id, invoice_number, points, clawed_back, gross, base, refunded_eligible FROM (
          SELECT *, CASE WHEN kept <= 0 OR kept_base < minimum THEN 0 ELSE floor(kept_base * rate) END AS deserved FROM (
            SELECT *, CASE WHEN base = gross OR gross = 0 THEN kept ELSE base * kept / gross END AS kept_base FROM (
              SELECT shop_id, invoice_number, points, clawed_back, refunded_eligible,
                  (award->>'gross')::numeric AS gross, (award->>'base')::numeric AS base,
                  (award->>'rate')::numeric AS rate, (award->>'minimum')::numeric AS minimum,
                  greatest((award->>'gross')::numeric - refunded_eligible, 0) AS kept
                FROM purchase WHERE award IS NOT NULL AND refunded > 0) p) p) p
         WHERE abs(points - clawed_back - deserved) > CASE WHEN base = gross THEN 0 ELSE 1 END""",
    ),
    Invariant(
        "clawbacks-have-their-entries",
        "each clawback entry belongs to one refund and has its points",
        """
        SELECT r.shop_id, r.invoice_number, r.refund_id, customer_id, sequence, r.points, e.points AS entry_points
          FROM (SELECT r.shop_id, r.invoice_number, r.refund_id, p.customer_id, r.entry_sequence AS sequence, r.points
                  FROM refund r JOIN purchase p USING (shop_id, invoice_number) WHERE r.points > 0) r
          FULL JOIN (SELECT * FROM entry WHERE kind = 'clawback') e USING (customer_id, sequence)
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
        "an account's lifetime points are its awards less its clawbacks",
        """
        SELECT customer_id, a.lifetime_points, e.points FROM account a LEFT JOIN (
            SELECT customer_id, sum(points) AS points FROM entry WHERE kind IN ('award', 'clawback') GROUP BY 1) e
            USING (customer_id)
         WHERE a.lifetime_points <> coalesce(e.points, 0)""",
    ),
    Invariant(
        "accounts-have-their-card",
        "an account's card is known as its own",
        """
        SELECT a.customer_id, a.card_number, c.customer_id AS owner FROM account a LEFT JOIN card c USING (card_number)
         WHERE c.customer_id IS DISTINCT FROM a.customer_id""",
    ),
    Invariant(
        "adjustments-have-their-entries",
        "each adjustment has an entry of its points, and each such entry its adjustment",
        """
        SELECT customer_id, sequence, d.points, e.points AS entry_points
          FROM (SELECT customer_id, entry_sequence AS sequence, points FROM adjustment) d
          FULL JOIN (SELECT * FROM entry WHERE kind = 'adjustment') e USING (customer_id, sequence)
         WHERE d.points IS DISTINCT FROM e.points""",
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
    """Return every invariant that is broken, judged on one snapshot of the books. The connection is in no transaction yet."""
    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    # generous for one report at a time: these queries sort and hash whole tables
    await connection.execute(text("SET LOCAL work_mem = '256MB'"))
    checked = [await _check(connection, invariant) for invariant in INVARIANTS]
    return [finding for finding in checked if finding is not None]


async def _check(connection: AsyncConnection, invariant: Invariant) -> Finding | None:
    statement = f"SELECT *, count(*) OVER () AS of FROM ({invariant.broken}) AS broken LIMIT {SHOWN}"
    rows = [dict(row) for row in (await connection.execute(text(statement.replace(":", "\\:")))).mappings()]
    if not rows:
        return None
    count = rows[0]["of"]
    return Finding(
        invariant.name, invariant.states, count, [{k: v for k, v in row.items() if k != "of"} for row in rows]
    )
