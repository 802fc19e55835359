"""The invariants of recommendations, pairs and partners, each as a query that returns the rows that break it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.terms import DIGITS, USUAL_DIGITS
from shared.verification import Finding, Invariant, findings

CASES = " ".join(f"WHEN '{currency}' THEN {digits}" for currency, digits in sorted(DIGITS.items()))


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
               <= 0.5 * 10::numeric ^ -(CASE c.currency {CASES} ELSE {USUAL_DIGITS} END) END) IS NOT TRUE""",
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

INVARIANTS: tuple[Invariant, ...] = PARTNERS


async def verify(connection: AsyncConnection) -> list[Finding]:
    """Return every invariant that is broken. The connection is in no transaction yet."""
    return await findings(connection, INVARIANTS)
