"""Reading the books without locking them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import DOCUMENTS, columns
from services.notifications.records import Coupon, Kept, SharedCode, Use, UseStatus
from shared.database import fetch

BY_CODES = f"SELECT {columns(Coupon)} FROM coupon WHERE code = ANY($1::text[])"
OF_CUSTOMER = f"""
SELECT {columns(Coupon)} FROM coupon WHERE customer_id = $1 AND coupon_id > $2 ORDER BY coupon_id LIMIT $3"""


async def coupon(connection: AsyncConnection, code: str) -> Coupon | None:
    """Return the coupon of a code."""
    rows = await fetch(connection, BY_CODES, [code])
    return Coupon(*rows[0]) if rows else None


async def coupons(connection: AsyncConnection, customer_id: str, *, after: str, limit: int) -> list[Coupon]:
    """Return a customer's coupons in the order of their ids."""
    return [Coupon(*row) for row in await fetch(connection, OF_CUSTOMER, customer_id, after, limit)]


USE_COLUMNS = ", ".join(each.name for each in fields(Use))
USES = f"""
SELECT {USE_COLUMNS} FROM coupon_use
 WHERE code = $1 AND (shop_id, invoice_number) > ($2, $3) AND ($4::text IS NULL OR status = $4)
 ORDER BY shop_id, invoice_number LIMIT $5"""


async def uses(
    connection: AsyncConnection, code: str, status: UseStatus | None, *, after: tuple[str, str], limit: int
) -> list[Use]:
    """Return the purchases that named a code, by shop and invoice."""
    return [Use(*row) for row in await fetch(connection, USES, code, *after, status, limit)]


# Codes for everybody

SHARED_COLUMNS = ", ".join(
    {"uses": "s.uses - l.uses", "amount": "s.amount - l.amount"}.get(
        each.name, f"s.{each.name}::text" if each.name in DOCUMENTS else f"s.{each.name}"
    )
    for each in fields(SharedCode)
)
SHARED = f"""
SELECT {SHARED_COLUMNS} FROM shared_code s, LATERAL (
  SELECT count(*) AS uses, coalesce(sum(amount), 0) AS amount FROM shared_reservation r
   WHERE r.code = s.code AND r.reserved_until <= $1) l"""
"""As they are at an instant, whether or not what time brings was booked."""

SHARED_BY_CODE = f"{SHARED} WHERE s.code = ANY($2::text[])"
SHARED_PAGE = f"{SHARED} WHERE s.code > $2 ORDER BY s.code LIMIT $3"

HAD = """
SELECT code, sum(uses)::bigint AS uses FROM (
  SELECT code, count(*) AS uses FROM coupon_use
   WHERE code = ANY($1::text[]) AND customer_id = $2 AND status = 'redeemed' GROUP BY 1
   UNION ALL
  SELECT code, count(*) FROM shared_reservation
   WHERE code = ANY($1::text[]) AND customer_id = $2 AND reserved_until > $3 GROUP BY 1) had
 GROUP BY 1"""

KEPT_COLUMNS = ", ".join(each.name for each in fields(Kept))
KEPT = f"""
SELECT {KEPT_COLUMNS} FROM shared_reservation WHERE code = ANY($1::text[]) AND reservation = $2 AND reserved_until > $3"""


class Found(NamedTuple):
    """What stands in the books about some codes, for a customer and a basket; by code."""

    coupons: dict[str, Coupon]
    shared: dict[str, SharedCode]
    kept: dict[str, Kept]
    had: dict[str, int]


async def named(
    connection: AsyncConnection,
    codes: Sequence[str],
    customer_id: str | None,
    reservation: str | None,
    now: dt.datetime,
) -> Found:
    """Return what a till asks about, at an instant."""
    personal = [Coupon(*row) for row in await fetch(connection, BY_CODES, codes)]
    shared = {row["code"]: SharedCode(*row) for row in await fetch(connection, SHARED_BY_CODE, now, codes)}
    kept = {row["code"]: Kept(*row) for row in await fetch(connection, KEPT, codes, reservation, now)}
    had = {row["code"]: int(row["uses"]) for row in await fetch(connection, HAD, codes, customer_id, now)}
    return Found({each.code: each for each in personal if each.code is not None}, shared, kept, had)


async def shared_code(connection: AsyncConnection, code: str, now: dt.datetime) -> SharedCode | None:
    rows = await fetch(connection, SHARED_BY_CODE, now, [code])
    return SharedCode(*rows[0]) if rows else None


async def shared_codes(connection: AsyncConnection, now: dt.datetime, *, after: str, limit: int) -> list[SharedCode]:
    """Return codes for everybody in their order."""
    return [SharedCode(*row) for row in await fetch(connection, SHARED_PAGE, now, after, limit)]
