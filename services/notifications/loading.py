"""What a batch needs of the books, locked before it is decided: codes, purchases, coupons, customers, sorted inside.

A code is locked before anybody knows whether it has a coupon: a purchase that names it and the coupon may come at once.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.books import Books
from services.notifications.commands import Request
from services.notifications.programme import Versions
from services.notifications.records import AddressKey, ConsentKey, Coupon, Customer, Notification, Sale, Use
from services.notifications.rules.consent import Consent, Proof, Standing
from services.notifications.wanted import Wanted
from shared import answers
from shared.columns import joined, rows_of
from shared.database import fetch

CODE_LOCKS, BUCKETS = 0x636F6465, 256
"""So many locks stand for all codes, since a transaction can hold only some thousands."""

LOCK_CODES = "SELECT pg_advisory_xact_lock($1::int, bucket) FROM unnest($2::int[]) AS bucket"

SALE_COLUMNS = ", ".join(f"s.{each.name}" for each in fields(Sale))
LOCK_SALES = f"""
SELECT {SALE_COLUMNS} FROM {rows_of("text", "text")} AS k(shop_id, invoice_number)
  JOIN sale s ON s.shop_id = k.shop_id AND s.invoice_number = k.invoice_number
 ORDER BY s.shop_id, s.invoice_number FOR UPDATE OF s"""

LOAD_REFUNDS = f"""
SELECT r.shop_id, r.invoice_number, r.refund_id FROM {rows_of("text", "text", "text")} AS k(shop_id, invoice_number, refund_id)
  JOIN refund r ON r.shop_id = k.shop_id AND r.invoice_number = k.invoice_number AND r.refund_id = k.refund_id"""

USE_COLUMNS = ", ".join(f"u.{each.name}" for each in fields(Use))
LOAD_USES = f"""
SELECT {USE_COLUMNS} FROM coupon_use u WHERE code = ANY($3::text[])
 UNION SELECT {USE_COLUMNS} FROM {rows_of("text", "text")} AS k(shop_id, invoice_number)
  JOIN coupon_use u ON u.shop_id = k.shop_id AND u.invoice_number = k.invoice_number"""

DOCUMENTS = {"value", "titles", "preferences", "content"}


def columns(record: type[Coupon | Customer | Notification]) -> str:
    """Return the columns of a record, documents as text."""
    return ", ".join(f"{each.name}::text" if each.name in DOCUMENTS else each.name for each in fields(record))


LOCK_COUPONS = f"""
SELECT {columns(Coupon)} FROM coupon WHERE coupon_id = ANY($1::text[]) OR code = ANY($2::text[])
 ORDER BY coupon_id FOR UPDATE"""

LOCK_CUSTOMERS = f"""
SELECT {columns(Customer)} FROM customer WHERE customer_id = ANY($1::text[]) ORDER BY customer_id FOR UPDATE"""

CONSENT_COLUMNS = (
    "customer_id, channel, purpose, state, asked_at, asked_how, asked_text, confirmed_at, confirmed_how, confirmed_text,"
    " withdrawn_at, withdrawn_how, withdrawn_text"
)
LOAD_CONSENTS = f"SELECT {CONSENT_COLUMNS} FROM consent WHERE customer_id = ANY($1::text[])"

STANDING_COLUMNS = "a.channel, a.address, a.soft_bounces, a.bounced_at, a.complained_at"
LOCK_ADDRESSES = f"""
SELECT {STANDING_COLUMNS} FROM {rows_of("text", "text")} AS k(channel, address)
  JOIN address a ON a.channel = k.channel AND a.address = k.address
 ORDER BY a.channel, a.address FOR UPDATE OF a"""

LOAD_NOTIFICATIONS = f"""
SELECT {columns(Notification)} FROM notification WHERE notification_id = ANY($1::uuid[])"""


async def load(connection: AsyncConnection, requests: Sequence[Request], versions: Versions, now: dt.datetime) -> Books:
    """Return the part of the books that the requests touch."""
    wanted = Wanted(command for request in requests for command in request.commands)
    books = Books(now, versions, answers=await answers.load(connection, requests))
    if wanted.codes:
        await fetch(
            connection, LOCK_CODES, CODE_LOCKS, sorted({crc32(code.encode()) % BUCKETS for code in wanted.codes})
        )
    if wanted.sales:
        for row in await fetch(connection, LOCK_SALES, *joined(sorted(wanted.sales), 2)):
            sale = Sale(*row)
            books.sales[sale.key] = sale
    if wanted.refunds:
        books.refunds.update(map(tuple, await fetch(connection, LOAD_REFUNDS, *joined(sorted(wanted.refunds), 3))))
    await _load_uses(connection, books, wanted)
    await _lock_coupons(connection, books, wanted)
    # guarded by the locks of their customers
    for row in (
        await fetch(connection, LOAD_NOTIFICATIONS, sorted(wanted.notifications)) if wanted.notifications else ()
    ):
        notification = Notification(*row)
        books.notifications[notification.notification_id] = notification
    if wanted.consents:
        books.consents.update(map(consent_of, await fetch(connection, LOAD_CONSENTS, sorted(wanted.consents))))
    if wanted.addresses:
        rows = await fetch(connection, LOCK_ADDRESSES, *joined(sorted(wanted.addresses), 2))
        books.standings.update(map(standing_of, rows))
    return books


def consent_of(row: Sequence[Any]) -> tuple[ConsentKey, Consent]:
    """Return a consent of a row of `CONSENT_COLUMNS`, under its key."""
    customer_id, channel, purpose, state, *words = row
    proofs = (Proof(*words[place : place + 3]) if words[place] is not None else None for place in (0, 3, 6))
    return (customer_id, channel, purpose), Consent(state, *proofs)


def standing_of(row: Sequence[Any]) -> tuple[AddressKey, Standing]:
    """Return what is known of an address, of a row of `STANDING_COLUMNS`."""
    channel, address, *standing = row
    return (channel, address), Standing(*standing)


async def _load_uses(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    for row in await fetch(connection, LOAD_USES, *joined(sorted(wanted.sales), 2), sorted(wanted.codes)):
        use = Use(*row)
        books.uses[use.key] = use
        wanted.codes.add(use.code)


async def _lock_coupons(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    for row in await fetch(connection, LOCK_COUPONS, sorted(wanted.coupons), sorted(wanted.codes)):
        coupon = Coupon(*row)
        books.coupons[coupon.coupon_id] = coupon
        wanted.customers.add(coupon.customer_id)
        if coupon.code is not None:
            books.by_code[coupon.code] = coupon
    for row in await fetch(connection, LOCK_CUSTOMERS, sorted(wanted.customers)):
        books.customers[row["customer_id"]] = Customer(*row)
