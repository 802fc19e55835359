"""What the API and the command line read; nothing here locks or writes."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.decisions import snapshots
from services.points.loading import ACCOUNT_COLUMNS, ADJUSTMENT_COLUMNS, COUNT, REDEMPTION_COLUMNS
from services.points.programme import Programme
from services.points.records import Account, Adjustment, Redemption
from services.points.rules import tiers
from services.points.rules.earning import Use
from services.points.rules.tiers import Standing
from services.points.rules.trial import Sample
from shared.database import fetch

OF_ACCOUNT = ", ".join(f"a.{name}" for name in ACCOUNT_COLUMNS)

ACCOUNT = f"""
SELECT {OF_ACCOUNT} FROM account n JOIN account a ON a.customer_id = coalesce(n.merged_into, n.customer_id)
 WHERE n.customer_id = $1"""

ACCOUNT_OF_CARD = f"SELECT {OF_ACCOUNT} FROM card c JOIN account a USING (customer_id) WHERE c.card_number = $1 AND a.status <> 'erased'"

EXPIRING_NEXT = """
SELECT sum(remaining)::bigint AS points, coalesce(expires_on, $2::date) AS on FROM lot
 WHERE customer_id = $1 AND remaining > 0 AND (expires_at > $3 OR lapses AND $2::date >= $4::date)
 GROUP BY 2 ORDER BY 2 LIMIT 1"""

ENTRIES = """
SELECT e.sequence, e.kind, e.points, available_after, pending_after, held_after, coalesce(d.reason, reference) AS reference,
  occurred_at, recorded_at FROM entry e
  LEFT JOIN adjustment d ON e.kind = 'adjustment' AND d.adjustment_id = e.reference
 WHERE e.customer_id = $1 AND e.sequence < $2 ORDER BY e.sequence DESC LIMIT $3"""

LOTS = """
SELECT sequence, points, remaining, earned_at, pending, available_at, expires_on, ends FROM (
  SELECT l.sequence, l.points, l.remaining, e.occurred_at AS earned_at, l.pending AND l.available_at > $5 AS pending,
      l.available_at, CASE WHEN l.lapses THEN a.inactive_on ELSE l.expires_on END AS expires_on,
      coalesce(l.expires_at, 'infinity') AS ends
    FROM lot l JOIN entry e USING (customer_id, sequence) JOIN account a USING (customer_id)
   WHERE l.customer_id = $1 AND l.remaining > 0 AND (l.expires_at IS NULL OR l.expires_at > $5)
     AND (NOT l.lapses OR a.inactive_on IS NULL OR a.inactive_on >= $7)) l
 WHERE (pending::int, ends, sequence) > ($2::int, $3::text::timestamptz, $4) ORDER BY pending, ends, sequence LIMIT $6"""

PURCHASE_COLUMNS = """shop_id, invoice_number, status, customer_id, card_number, currency, total, occurred_at, received_at,
  points, award::text AS award, refunded, clawed_back, recorded_by, redeemed, unpaid, settled"""

PURCHASE = f"SELECT {PURCHASE_COLUMNS} FROM purchase WHERE shop_id = $1 AND invoice_number = $2"

UNSETTLED = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase
 WHERE status = $1 AND (shop_id, invoice_number) > ($2, $3) ORDER BY shop_id, invoice_number LIMIT $4"""

REFUNDS = """
SELECT refund_id, status, amount, points, occurred_at, refused_code FROM refund
 WHERE shop_id = $1 AND invoice_number = $2 ORDER BY arrival"""

OF_REDEMPTION = f"SELECT {REDEMPTION_COLUMNS} FROM redemption WHERE redemption_id = $1"
REDEMPTIONS = f"""
SELECT {REDEMPTION_COLUMNS} FROM redemption WHERE customer_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3"""

POOL = """
SELECT customer_id, status, available, pending, held FROM account WHERE pool_id = $1 ORDER BY customer_id"""

ADJUSTMENT = f"SELECT {ADJUSTMENT_COLUMNS} FROM adjustment WHERE adjustment_id = $1"

ADJUSTMENTS = f"""
SELECT {ADJUSTMENT_COLUMNS} FROM adjustment
 WHERE (created_at, adjustment_id) < ($1::text::timestamptz, $2) ORDER BY created_at DESC, adjustment_id DESC LIMIT $3"""
OF_STATUS = ADJUSTMENTS.replace("WHERE", "WHERE status = $4 AND")

WAITING_REFUNDS = """
SELECT shop_id, invoice_number, refund_id, currency, amount, occurred_at, received_at FROM refund
 WHERE status = 'waiting' ORDER BY received_at, shop_id, invoice_number, refund_id LIMIT $1"""

CAMPAIGN_USES = """
SELECT name, coalesce(sum(u.points), 0)::bigint AS points, coalesce(sum(u.awards), 0)::bigint AS awards,
  count(u.customer_id) AS customers
  FROM unnest($1::text[]) AS name LEFT JOIN campaign_use u ON u.campaign = name GROUP BY name"""

DRAW_SECRETS = "SELECT campaign, secret FROM draw_secret"

# by any version that had the campaign, in the window that it gave it
DRAWN = """
SELECT p.shop_id, p.invoice_number, p.occurred_at, (named->>'share')::numeric AS share,
    coalesce((SELECT sum((part->>'points')::bigint) FROM jsonb_array_elements(p.award->'breakdown') AS part
       WHERE part->>'rule' = $1), 0)::bigint AS points
  FROM purchase p JOIN programme v ON v.version = (p.award->>'version')::int
  JOIN jsonb_array_elements(v.document->'campaigns') AS named ON named->>'name' = $1 AND named ? 'share'
 WHERE p.status = 'booked' AND p.occurred_at >= coalesce(named->'early_access'->>'valid_from', named->>'valid_from', '-infinity')::timestamptz
   AND p.occurred_at < coalesce((named->>'valid_until')::timestamptz, 'infinity')
   AND (p.shop_id, p.invoice_number) > ($2, $3) ORDER BY p.shop_id, p.invoice_number LIMIT $4"""

SAMPLES = """
SELECT shop_id, invoice_number, customer_id, sample::text AS sample, award->>'tier' AS tier FROM purchase
 WHERE sample IS NOT NULL ORDER BY occurred_at DESC LIMIT $1"""

DRAWN_AT_ONCE = 5_000
LAST = 2**63 - 1


async def account(connection: AsyncConnection, customer_id: str) -> Account | None:
    """Return the account of a customer, or the one that it was merged into; what is due on it is not booked yet."""
    return _account(await fetch(connection, ACCOUNT, customer_id))


async def account_of_card(connection: AsyncConnection, card_number: str) -> Account | None:
    """Return the account that a card belongs to."""
    return _account(await fetch(connection, ACCOUNT_OF_CARD, card_number))


def _account(rows: Sequence[Any]) -> Account | None:
    return Account(*rows[0]) if rows else None


async def standing(
    connection: AsyncConnection, account: Account, programme: Programme, now: dt.datetime
) -> Standing | None:
    """Return the customer's tier and what is missing to the next; none where the programme has no tiers."""
    levels = programme.tiers
    if levels is None:
        return None
    window = tiers.window(levels, programme.local_day(now))
    rows = await fetch(connection, COUNT.format(what=levels.counts), [account.customer_id], *window)
    since = account.tier_since or programme.local_day(account.enrolled_at)
    return tiers.standing(levels, levels.level(account.tier), since, rows[0][1] if rows else Decimal(0))


async def expiring_next(
    connection: AsyncConnection, account: Account, programme: Programme, now: dt.datetime
) -> dict[str, Any] | None:
    """Return the points that end next, and their last day."""
    today = programme.local_day(now)
    rows = await fetch(connection, EXPIRING_NEXT, account.customer_id, account.inactive_on, now, today)
    return dict(rows[0]) if rows else None


async def entries(
    connection: AsyncConnection, customer_id: str, *, before: int = LAST, limit: int
) -> list[dict[str, Any]]:
    """Return entries with a sequence below `before`, newest first."""
    return [dict(row) for row in await fetch(connection, ENTRIES, customer_id, before, limit)]


FIRST = (0, "-infinity", 0)


async def lots(
    connection: AsyncConnection,
    customer_id: str,
    programme: Programme,
    *,
    after: tuple[int, str, int] = FIRST,
    now: dt.datetime,
    limit: int,
) -> list[dict[str, Any]]:
    """Return lots that still hold points, in the order in which they are spent, those that can't be yet after them."""
    today = programme.local_day(now)
    rows = [dict(row) for row in await fetch(connection, LOTS, customer_id, *after, now, limit, today)]
    for row in rows:
        row["ends"] = row["ends"].isoformat() if row["ends"].year < dt.MAXYEAR else "infinity"
        row["place"] = int(row["pending"])
    return rows


async def purchase(connection: AsyncConnection, shop_id: str, invoice_number: str) -> dict[str, Any] | None:
    """Return a purchase with its refunds, as the API shows it."""
    rows = await fetch(connection, PURCHASE, shop_id, invoice_number)
    if not rows:
        return None
    found = _purchase(rows[0])
    for row in await fetch(connection, REFUNDS, shop_id, invoice_number):
        found["refunds"].append(dict(row) | {"amount": _money(row["amount"])})
    return found


async def redemption(connection: AsyncConnection, redemption_id: str) -> Redemption | None:
    """Return a redemption as it is booked; a hold that has timed out since is to be settled yet."""
    rows = await fetch(connection, OF_REDEMPTION, redemption_id)
    return Redemption(*rows[0]) if rows else None


async def redemptions(
    connection: AsyncConnection, customer_id: str, *, before: int = LAST, limit: int
) -> list[Redemption]:
    """Return a customer's redemptions whose entry is before a sequence, the newest first."""
    return [Redemption(*row) for row in await fetch(connection, REDEMPTIONS, customer_id, before, limit)]


async def pool(connection: AsyncConnection, pool_id: str) -> list[dict[str, Any]]:
    """Return the members of a household with their balances."""
    return [dict(row) for row in await fetch(connection, POOL, pool_id)]


async def adjustment(connection: AsyncConnection, adjustment_id: str) -> Adjustment | None:
    """Return points by hand as they stand."""
    rows = await fetch(connection, ADJUSTMENT, adjustment_id)
    return Adjustment(*rows[0]) if rows else None


NEWEST = ("infinity", "")


async def adjustments(
    connection: AsyncConnection, status: str | None, *, before: tuple[str, str] = NEWEST, limit: int
) -> list[Adjustment]:
    """Return points by hand, of one state or of all, the newest first."""
    statement, of = (ADJUSTMENTS, ()) if status is None else (OF_STATUS, (status,))
    return [Adjustment(*row) for row in await fetch(connection, statement, *before, limit, *of)]


async def unsettled_purchases(
    connection: AsyncConnection, status: str, *, after: tuple[str, str] = ("", ""), limit: int
) -> list[dict[str, Any]]:
    """Return purchases that wait for something (`unclaimed`, `parked` or `awaited`), without their refunds."""
    return [_purchase(row) for row in await fetch(connection, UNSETTLED, status, *after, limit)]


def _purchase(row: Any) -> dict[str, Any]:
    award = orjson.loads(row["award"]) if row["award"] else {}
    return {
        "shop_id": row["shop_id"],
        "invoice_number": row["invoice_number"],
        "customer_id": row["customer_id"],
        "card_number": row["card_number"],
        "points": row["points"],
        "status": "available" if row["status"] == "booked" else row["status"],
        "available_at": award.get("available_at"),
        "breakdown": award.get("breakdown", []),
        "balance": None,
        "tier": None,
        "currency": row["currency"],
        "total": None if row["total"] is None else _money(row["total"]),
        "occurred_at": row["occurred_at"],
        "received_at": row["received_at"],
        "refunded": _money(row["refunded"]),
        "clawed_back": row["clawed_back"],
        "recorded_by": row["recorded_by"],
        "redeemed": row["redeemed"],
        "unpaid": row["unpaid"],
        "settled": _money(row["settled"]),
        "refunds": [],
    }


def _money(amount: Decimal) -> str:
    """Show an amount with the decimals that it has, at least the usual two."""
    whole, _, part = str(amount).partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


async def campaign_uses(connection: AsyncConnection, names: list[str]) -> dict[str, tuple[Use, int]]:
    """Return what each campaign gave, and to how many customers."""
    rows = await fetch(connection, CAMPAIGN_USES, names)
    return {row["name"]: (Use(row["points"], row["awards"]), row["customers"]) for row in rows}


async def draw_secrets(connection: AsyncConnection) -> dict[str, bytes]:
    """Return the secrets of campaigns that draw their purchases: for auditors, never for an answer."""
    return dict(await fetch(connection, DRAW_SECRETS))


async def drawn(connection: AsyncConnection, campaign: str) -> AsyncIterator[dict[str, Any]]:
    """Return every booked purchase in the windows of a campaign with a share, and the points that it gave for it."""
    after = ("", "")
    while rows := await fetch(connection, DRAWN, campaign, *after, DRAWN_AT_ONCE):
        for row in rows:
            yield dict(row)
        after = rows[-1]["shop_id"], rows[-1]["invoice_number"]


async def samples(connection: AsyncConnection, *, limit: int) -> list[Sample]:
    """Return the newest purchases of which all is known still."""
    return [snapshots.load_sample(row) for row in await fetch(connection, SAMPLES, limit)]


async def waiting_refunds(connection: AsyncConnection, *, limit: int = 1000) -> list[dict[str, Any]]:
    """Return refunds whose purchase has not come, the oldest first."""
    return [dict(row) for row in await fetch(connection, WAITING_REFUNDS, limit)]


def age(since: dt.datetime, now: dt.datetime) -> str:
    """Return an age as people say it."""
    return str(now - since).split(".", maxsplit=1)[0]
