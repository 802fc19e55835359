"""What is read of partners, their commissions and their statements; nothing here locks or writes."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.referrals.partners.statements import Statement, StatementLine
from services.referrals.records import Code, Partner, Payout
from services.referrals.terms import Terms, Version, Versions
from shared.database import fetch

NEWEST_TERMS = """
JOIN LATERAL (SELECT version, document FROM partner_terms t WHERE t.partner_id = p.partner_id
  ORDER BY version DESC LIMIT 1) newest ON true"""
COLUMNS = """
p.partner_id, p.name, p.language, newest.version, newest.document::text, p.created_at, p.event_sequence, p.line_number,
  p.paid, p.paid_through, p.retired_at"""

ONE = f"SELECT {COLUMNS} FROM partner p {NEWEST_TERMS} WHERE p.partner_id = $1"
ALL = f"""
SELECT {COLUMNS} FROM partner p {NEWEST_TERMS} WHERE p.partner_id > $1 AND ($2 OR retired_at IS NULL)
 ORDER BY p.partner_id LIMIT $3"""

CODES = f"SELECT {', '.join(Code._fields)} FROM code WHERE partner_id = $1 ORDER BY created_at, code"

# a statement that was paid is what makes a commission paid
COMMISSIONS = """
SELECT * FROM (
  SELECT referral_id, c.shop_id, c.invoice_number, r.code, c.occurred_at, c.currency, c.sold, c.refunded,
      CASE WHEN c.status = 'due' AND c.month <= p.paid_through THEN 'paid' ELSE c.status END AS status, c.amount,
      c.hold_until, c.month
    FROM commission c JOIN partner p USING (partner_id) JOIN referral r USING (referral_id)
   WHERE c.partner_id = $1
     AND (c.occurred_at, c.referral_id, c.shop_id, c.invoice_number) < ($3::text::timestamptz, $4, $5, $6)) c
 WHERE $2::text IS NULL OR status = $2 ORDER BY occurred_at DESC, referral_id DESC, shop_id DESC, invoice_number DESC
 LIMIT $7"""

OPENING = """
SELECT coalesce((SELECT sum(amount) FROM statement_line WHERE partner_id = $1 AND month < $2), 0)
  - coalesce((SELECT sum(amount) FROM payout WHERE partner_id = $1 AND month < $2), 0) AS opening"""

LINES = """
SELECT l.number, c.occurred_at, l.shop_id, l.invoice_number, r.code, l.sold, l.refunded,
    t.document->'commission'->>'percent' AS percent, l.amount, l.reason, l.booked_at
  FROM statement_line l JOIN referral r ON r.referral_id = l.referral_id
  JOIN commission c ON c.referral_id = l.referral_id AND c.shop_id = l.shop_id AND c.invoice_number = l.invoice_number
  JOIN partner_terms t ON t.partner_id = l.partner_id AND t.version = r.terms_version
 WHERE l.partner_id = $1 AND l.month = $2 ORDER BY l.number"""

# the first payout that covers a month, perhaps with later ones
PAYOUT = f"SELECT {', '.join(Payout._fields)} FROM payout WHERE partner_id = $1 AND month >= $2 ORDER BY month LIMIT 1"

NEWEST = "infinity", "", "", ""
"""Where a list of commissions begins."""


def _partner(row: Any) -> Partner:
    partner_id, name, language, version, document, *rest = row
    terms = Version(version=version, valid_from=rest[0], programme=Terms.model_validate_json(document))
    return Partner(partner_id, name, language, Versions([terms]), *rest)


async def partner(connection: AsyncConnection, partner_id: str) -> Partner | None:
    """Return a partner with the newest of their terms."""
    rows = await fetch(connection, ONE, partner_id)
    return _partner(rows[0]) if rows else None


async def partners(connection: AsyncConnection, *, after: str, with_retired: bool, limit: int) -> list[Partner]:
    """Return partners by their ids, each with the newest of their terms."""
    return [_partner(row) for row in await fetch(connection, ALL, after, with_retired, limit)]


async def codes(connection: AsyncConnection, partner_id: str) -> list[Code]:
    return [Code(*row) for row in await fetch(connection, CODES, partner_id)]


async def commissions(
    connection: AsyncConnection, partner_id: str, status: str | None, *, before: tuple[str, ...], limit: int
) -> list[dict[str, Any]]:
    """Return a partner's commissions, those of the newest sales first."""
    return [dict(row) for row in await fetch(connection, COMMISSIONS, partner_id, status, *before, limit)]


async def statement(
    connection: AsyncConnection, partner: Partner, month: dt.date, zone: ZoneInfo, *, is_over: bool
) -> Statement:
    """Return the statement of a month as it stands, with its dates in a time zone."""
    (opening,) = await fetch(connection, OPENING, partner.partner_id, month)
    lines = await fetch(connection, LINES, partner.partner_id, month)
    payouts = await fetch(connection, PAYOUT, partner.partner_id, month)
    return Statement(
        partner,
        month,
        zone,
        opening["opening"],
        [StatementLine(*row) for row in lines],
        Payout(*payouts[0]) if payouts else None,
        is_over,
    )
