"""What a batch needs of the books, locked before it is decided: codes, cards, purchases, coupons, shared codes,
customers, sorted inside.

A code is locked before anybody knows whether it has a coupon: a purchase that names it and the coupon may come at once; so is
a card that nobody knows.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.books import Books
from services.notifications.commands import Request
from services.notifications.programme import Versions
from services.notifications.records import (
    AddressKey,
    ConsentKey,
    Coupon,
    Customer,
    Dispatch,
    Kept,
    MessageKey,
    Notification,
    OwnDate,
    Sale,
    SavedSegment,
    SharedCode,
    Use,
    notification_id,
)
from services.notifications.rules.consent import Consent, Proof, Standing
from services.notifications.segments import Segment, segment_of
from services.notifications.wanted import Wanted
from shared import answers
from shared.columns import joined, rows_of
from shared.database import CollisionError, fetch

CODE_LOCKS, BUCKETS = 0x636F6465, 256
"""So many locks stand for all codes and baskets, since a transaction can hold only some thousands."""

CARD_LOCKS = 0x63617264

LOCK_NAMES = "SELECT pg_advisory_xact_lock($1::int, bucket) FROM unnest($2::int[]) AS bucket"

LOAD_CARDS = "SELECT card_number, customer_id FROM card WHERE card_number = ANY($1::text[])"

SALE_COLUMNS = ", ".join(f"s.{each.name}{'::text' * (each.name == 'categories')}" for each in fields(Sale))
LOCK_SALES = f"""
SELECT {SALE_COLUMNS} FROM {rows_of("text", "text")} AS k(shop_id, invoice_number)
  JOIN sale s ON s.shop_id = k.shop_id AND s.invoice_number = k.invoice_number
 ORDER BY s.shop_id, s.invoice_number FOR UPDATE OF s"""

LOCK_PARKED = f"""
SELECT {SALE_COLUMNS} FROM sale s WHERE customer_id IS NULL AND card_number = ANY($1::text[])
 ORDER BY shop_id, invoice_number FOR UPDATE"""

LOAD_REFUNDS = f"""
SELECT r.shop_id, r.invoice_number, r.refund_id FROM {rows_of("text", "text", "text")} AS k(shop_id, invoice_number, refund_id)
  JOIN refund r ON r.shop_id = k.shop_id AND r.invoice_number = k.invoice_number AND r.refund_id = k.refund_id"""

USE_COLUMNS = ", ".join(f"u.{each.name}" for each in fields(Use))
LOAD_USES = f"""
SELECT {USE_COLUMNS} FROM coupon_use u WHERE code = ANY($3::text[]) AND status = 'unknown'
 UNION SELECT {USE_COLUMNS} FROM {rows_of("text", "text")} AS k(shop_id, invoice_number)
  JOIN coupon_use u ON u.shop_id = k.shop_id AND u.invoice_number = k.invoice_number"""

DOCUMENTS = {"value", "titles", "categories", "preferences", "content", "message"}


def columns(record: type[Coupon | Customer | Dispatch | Notification | SharedCode]) -> str:
    """Return the columns of a record, documents as text."""
    return ", ".join(f"{each.name}::text" if each.name in DOCUMENTS else each.name for each in fields(record))


LOCK_COUPONS = f"""
SELECT {columns(Coupon)} FROM coupon WHERE coupon_id = ANY($1::text[]) OR code = ANY($2::text[])
    OR reservation = ANY($3::text[])
 ORDER BY coupon_id FOR UPDATE"""

# those who go on as others come with whom they go on as, and those who are merged with all of their names
LOCK_CUSTOMERS = f"""
WITH names AS MATERIALIZED (
  SELECT unnest($1::text[]) AS name
   UNION SELECT merged_into FROM customer WHERE customer_id = ANY($1::text[]) AND merged_into IS NOT NULL
   UNION SELECT customer_id FROM customer WHERE merged_into = ANY($2::text[])
   UNION SELECT a.customer_id FROM customer n JOIN customer a ON a.merged_into = n.merged_into
     WHERE n.customer_id = ANY($2::text[]))
SELECT {columns(Customer)} FROM customer WHERE customer_id = ANY(ARRAY(SELECT name FROM names))
 ORDER BY customer_id FOR UPDATE"""

LOCK_SEGMENTS = """
SELECT name, filter::text, saved_at, saved_by FROM segment WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE"""

LOAD_OWN_DATES = f"SELECT {', '.join(OwnDate._fields)} FROM own_date WHERE customer_id = ANY($1::text[])"

LOAD_DIGESTS = f"""
SELECT {columns(Notification)} FROM notification
 WHERE customer_id = ANY($1::text[]) AND status = 'planned' AND subject = 'points_digest'"""

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

LOAD_DISPATCHES = f"""
SELECT {columns(Dispatch)} FROM dispatch WHERE notification_id = ANY($1::uuid[])"""

LOCK_SHARED = f"SELECT {columns(SharedCode)} FROM shared_code WHERE code = ANY($1::text[]) ORDER BY code FOR UPDATE"

KEPT_COLUMNS = ", ".join(each.name for each in fields(Kept))
CODES_KEPT = "SELECT code FROM shared_reservation WHERE reservation = ANY($1::text[])"
KEPT_OF_CODES = f"SELECT {KEPT_COLUMNS} FROM shared_reservation WHERE code = ANY($1::text[])"
LOAD_KEPT = f"""
{KEPT_OF_CODES} AND reservation = ANY($2::text[])
 UNION {KEPT_OF_CODES} AND customer_id = ANY($3::text[])
 UNION {KEPT_OF_CODES} AND reserved_until <= $4"""

COUNT_HAD = """
SELECT code, customer_id, sum(uses)::bigint AS uses FROM (
  SELECT code, customer_id, count(*) AS uses FROM coupon_use
   WHERE code = ANY($1::text[]) AND customer_id = ANY($2::text[]) AND status = 'redeemed' GROUP BY 1, 2
   UNION ALL
  SELECT code, customer_id, count(*) FROM shared_reservation
   WHERE code = ANY($1::text[]) AND customer_id = ANY($2::text[]) GROUP BY 1, 2) had
 GROUP BY 1, 2"""


LOAD_SEGMENT_FILTERS = "SELECT name, filter::text FROM segment WHERE name = ANY($1::text[])"


async def load_segments(connection: AsyncConnection, names: Iterable[str | None]) -> dict[str | None, Segment]:
    """Return segments by their names, those that are there."""
    wanted = sorted({each for each in names if each is not None})
    rows = await fetch(connection, LOAD_SEGMENT_FILTERS, wanted) if wanted else ()
    return {row["name"]: segment_of(row["filter"]) for row in rows}


async def load(
    connection: AsyncConnection, requests: Sequence[Request], wanted: Wanted, versions: Versions, now: dt.datetime
) -> Books:
    """Return the part of the books that the requests touch, which is `wanted`."""
    books = Books(now, versions, answers=await answers.load(connection, requests))
    # a basket's codes are judged beside each other, so it is locked like a code
    if named := wanted.codes | wanted.reservations:
        await _lock_names(connection, CODE_LOCKS, named)
    if wanted.cards or wanted.new_cards:
        await _load_cards(connection, books, wanted)
    await _lock_sales(connection, books, wanted)
    if wanted.refunds:
        books.refunds.update(map(tuple, await fetch(connection, LOAD_REFUNDS, *joined(sorted(wanted.refunds), 3))))
    if wanted.sales or wanted.new_codes:
        await _load_uses(connection, books, wanted)
    if wanted.coupons or wanted.codes or wanted.reservations:
        await _lock_coupons(connection, books, wanted)
        await _lock_shared(connection, books, wanted)
    if wanted.customers:
        await _lock_customers(connection, books, wanted)
    for row in await fetch(connection, LOCK_SEGMENTS, sorted(wanted.segments)) if wanted.segments else ():
        books.segments[row["name"]] = SavedSegment(*row)
    await _load_notifications(connection, books, wanted)
    await _load_consents(connection, books, wanted)
    return books


async def _lock_names(connection: AsyncConnection, kind: int, names: Iterable[str]) -> None:
    await fetch(connection, LOCK_NAMES, kind, sorted({crc32(name.encode()) % BUCKETS for name in names}))


async def _load_cards(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    numbers = wanted.cards | wanted.new_cards
    books.cards.update(await fetch(connection, LOAD_CARDS, sorted(numbers)))
    unknown = sorted(numbers - books.cards.keys())
    if unknown:
        # or a purchase would be parked while another transaction learns whose its card is
        await _lock_names(connection, CARD_LOCKS, unknown)
        books.cards.update(await fetch(connection, LOAD_CARDS, unknown))
    wanted.customers.update(books.cards.values())


async def _lock_sales(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    if wanted.sales:
        for row in await fetch(connection, LOCK_SALES, *joined(sorted(wanted.sales), 2)):
            sale = Sale(*row)
            books.sales[sale.key] = sale
            if sale.customer_id is not None:
                wanted.customers.add(sale.customer_id)
    unknown = sorted(wanted.new_cards - books.cards.keys())
    for row in await fetch(connection, LOCK_PARKED, unknown) if unknown else ():
        sale = books.sales.setdefault((row["shop_id"], row["invoice_number"]), Sale(*row))
        books.parked.setdefault(row["card_number"], []).append(sale)


async def _load_notifications(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    """They and their dispatches are guarded by the locks of their customers."""
    wanted.notifications.update(notification_id(*key) for key in _messages(books, wanted))
    if wanted.notifications:
        for row in await fetch(connection, LOAD_NOTIFICATIONS, sorted(wanted.notifications)):
            notification = Notification(*row)
            books.notifications[notification.notification_id] = notification
    if wanted.digests:
        names = sorted(books.customers[name].customer_id for name in wanted.digests & books.customers.keys())
        for row in await fetch(connection, LOAD_DIGESTS, names):
            notification = Notification(*row)
            books.notifications[notification.notification_id] = notification
            books.digests[notification.customer_id] = notification
    if wanted.dispatches:
        for row in await fetch(connection, LOAD_DISPATCHES, sorted(wanted.dispatches)):
            dispatch = Dispatch(*row)
            books.dispatches[dispatch.notification_id] = dispatch


async def _load_consents(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    if wanted.consents:
        known = wanted.consents & books.customers.keys()
        names = wanted.consents | {books.name(each) for each in known}
        books.consents.update(map(consent_of, await fetch(connection, LOAD_CONSENTS, sorted(names))))
    if wanted.addresses:
        rows = await fetch(connection, LOCK_ADDRESSES, *joined(sorted(wanted.addresses), 2))
        books.standings.update(map(standing_of, rows))


def _messages(books: Books, wanted: Wanted) -> Iterator[MessageKey]:
    """Yield what is to be said or dropped, under the names that customers have; a coupon that ends takes along what tells of it."""
    for customer_id, subject, reference in wanted.messages:
        yield customer_id, subject, reference
        known = books.customers.get(customer_id)
        if known is not None and known.customer_id != customer_id:
            yield known.customer_id, subject, reference
    for coupon in books.coupons.values():
        if coupon.announced:
            yield coupon.customer_id, "coupon_expiring", coupon.coupon_id


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
    for row in await fetch(connection, LOAD_USES, *joined(sorted(wanted.sales), 2), sorted(wanted.new_codes)):
        use = Use(*row)
        books.uses[use.key] = use
        wanted.codes.add(use.code)
        if use.customer_id is not None:
            wanted.customers.add(use.customer_id)


async def _lock_coupons(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    for row in await fetch(connection, LOCK_COUPONS, *map(sorted, (wanted.coupons, wanted.codes, wanted.reservations))):
        coupon = Coupon(*row)
        books.coupons[coupon.coupon_id] = coupon
        wanted.customers.add(coupon.customer_id)
        if coupon.code is not None:
            books.by_code[coupon.code] = coupon


async def _lock_shared(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    if wanted.reservations:
        found = await fetch(connection, CODES_KEPT, sorted(wanted.reservations))
        wanted.codes.update(row["code"] for row in found)
    if not wanted.codes:
        return
    books.shared = {row["code"]: SharedCode(*row) for row in await fetch(connection, LOCK_SHARED, sorted(wanted.codes))}
    if not books.shared:
        return
    who, names = sorted(wanted.customers), sorted(books.shared)
    for row in await fetch(connection, LOAD_KEPT, names, sorted(wanted.reservations), who, books.now):
        kept = Kept(*row)
        books.kept[kept.key] = kept
        if kept.customer_id is not None:
            wanted.customers.add(kept.customer_id)
    for row in await fetch(connection, COUNT_HAD, names, sorted(wanted.customers)):
        books.had[row["code"], row["customer_id"]] = row["uses"]


async def _lock_customers(connection: AsyncConnection, books: Books, wanted: Wanted) -> None:
    rows = await fetch(connection, LOCK_CUSTOMERS, sorted(wanted.customers), sorted(wanted.merging))
    found = {row["customer_id"]: Customer(*row) for row in rows}
    for name, customer in found.items():
        target = found.get(customer.merged_into or name)
        if target is None:
            raise CollisionError("a customer was merged while the locks were waited for")
        books.customers[name] = target
    names = sorted({books.customer(name).customer_id for name in wanted.dated & found.keys()})
    for row in await fetch(connection, LOAD_OWN_DATES, names) if names else ():
        books.own_dates.setdefault(row["customer_id"], {})[row["name"]] = OwnDate(*row)
