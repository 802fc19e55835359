"""The only writer of accounts, cards, purchases, refunds, entries, lots and allocations: load, decide, save.

What exists is locked before it is changed: purchases, then cards, then accounts, sorted inside. What is new is inserted
at the end, and its unique key is the judge: whoever comes second starts again and finds it (docs/decisions/0001).
"""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.books import PURCHASES_TOPIC, Books, Changes
from services.points.commands import (
    SOURCE,
    Account,
    AdjustBalance,
    Answer,
    AwardPurchase,
    ClaimPurchase,
    Command,
    EnrolCustomer,
    Outcome,
    PassOn,
    Purchase,
    Refund,
    RefundPurchase,
    Reply,
    Request,
)
from services.points.programme import Programme, Version, Versions
from services.points.rules import Lot
from shared.contracts.purchases import PurchaseCompleted
from shared.database import fetch
from shared.messaging import dead_letters

CONSUMER = "points"

SEPARATOR, NOTHING = "\x1f", "\x1e"


def _split(*types: str, first: int = 1) -> str:
    """Return the SQL that makes rows of the columns `$first`, `$first + 1`, …, each sent as one joined string.

    The driver checks and encodes an array element by element (1.4 microseconds each); one string costs it nothing. No
    identifier of the contract and no JSON holds the two control characters.
    """
    arrays = (f"string_to_array(${first + i}, '{SEPARATOR}', '{NOTHING}')::{each}[]" for i, each in enumerate(types))
    return f"unnest({', '.join(arrays)})"


KNOWN = f"""
WITH k AS MATERIALIZED (
  SELECT * FROM {_split("text", "text", "text", "text")} AS k(shop_id, invoice_number, source, id))
SELECT (SELECT max(version) FROM programme) AS version,
  ARRAY(SELECT ARRAY[k.source, k.id] FROM k JOIN event e ON e.source = k.source AND e.id = k.id) AS heard,
  ARRAY(SELECT ARRAY[k.shop_id, k.invoice_number] FROM k
    JOIN purchase p ON p.shop_id = k.shop_id AND p.invoice_number = k.invoice_number) AS booked"""

PURCHASE_COLUMNS = """shop_id, invoice_number, received_at, status, customer_id, card_number, currency, total, shipping,
  gift_cards, points_paid, occurred_at, points, entry_sequence, award::text, refunded, refunded_eligible,
  refunded_points_paid, clawed_back, document::text, recorded_by"""

LOCK_PURCHASES = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase
 WHERE (shop_id, invoice_number) IN (SELECT * FROM unnest($1::text[], $2::text[]))
 ORDER BY shop_id, invoice_number FOR UPDATE"""

LOCK_PARKED = f"""
SELECT {PURCHASE_COLUMNS} FROM purchase WHERE status = 'parked' AND card_number = ANY($1::text[])
 ORDER BY shop_id, invoice_number FOR UPDATE"""

LOAD_REFUNDS = """
SELECT shop_id, invoice_number, refund_id, currency, amount, shipping, gift_cards, points_paid, kind, occurred_at,
  received_at, customer_id, status, points_paid_part, points, entry_sequence, refused_code, arrival
  FROM refund WHERE (shop_id, invoice_number) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY arrival"""

LOAD_CARDS = "SELECT card_number, customer_id FROM card WHERE card_number = ANY($1::text[])"
LOCK_CARDS = LOAD_CARDS + " ORDER BY card_number FOR UPDATE"

LOCK_ACCOUNTS = f"""
SELECT customer_id, card_number, status, sequence, event_sequence, available, lifetime_points, enrolled_at
  FROM account WHERE customer_id = ANY(string_to_array($1, '{SEPARATOR}')) ORDER BY customer_id FOR UPDATE"""

SERIALS_AT_ONCE = 100
NEXT_SERIALS = "SELECT nextval('card_serial') FROM generate_series(1, $1::int)"

LOAD_LOTS = """
SELECT customer_id, sequence, points, remaining FROM lot
 WHERE customer_id = ANY($1::text[]) AND remaining > 0 ORDER BY customer_id, sequence"""

LOAD_DEBTS = """
SELECT e.customer_id, e.sequence, -e.points - coalesce(a.points, 0) AS missing
  FROM entry e LEFT JOIN LATERAL (
    SELECT sum(points)::bigint AS points FROM allocation
     WHERE customer_id = e.customer_id AND debit_sequence = e.sequence) a ON true
 WHERE e.customer_id = ANY($1::text[]) AND e.points < 0 AND -e.points > coalesce(a.points, 0)
 ORDER BY e.customer_id, e.sequence"""

LOAD_ANSWERS = """
SELECT api_key, idempotency_key, fingerprint, status, body, content_type FROM stored_answer
  JOIN unnest($1::text[], $2::text[]) AS k(a, i) ON api_key = k.a AND idempotency_key = k.i"""

INSERT_PROGRAMME = """
INSERT INTO programme (version, valid_from, document, published_at, published_by)
VALUES ($1, $2, $3::text::jsonb, $4, $5)"""

LOAD_PROGRAMMES = "SELECT version, valid_from, document::text AS document FROM programme ORDER BY version"

# One statement for what every award writes. Without a join between its parts: such a join would be planned as a nested
# loop over the whole batch.
ACCOUNT_TYPES = ("text", "bigint", "bigint", "bigint", "bigint")
PURCHASE_TYPES = (
    "text", "text", "text", "text", "text", "text", "numeric", "numeric", "numeric", "numeric", "timestamptz",
    "timestamptz", "bigint", "bigint", "jsonb", "numeric", "numeric", "numeric", "bigint", "jsonb", "text",
)  # fmt: skip
ENTRY_TYPES = ("text", "bigint", "text", "bigint", "bigint", "text", "timestamptz")

SAVE = f"""
WITH changed AS (UPDATE account SET sequence = k.sequence, event_sequence = k.event_sequence, available = k.available,
      lifetime_points = k.lifetime_points
    FROM {_split(*ACCOUNT_TYPES, first=2)} AS k(customer_id, sequence, event_sequence, available, lifetime_points)
    WHERE account.customer_id = k.customer_id),
  purchases AS (INSERT INTO purchase (shop_id, invoice_number, status, customer_id, card_number, currency, total, shipping,
      gift_cards, points_paid, occurred_at, received_at, points, entry_sequence, award, refunded, refunded_eligible,
      refunded_points_paid, clawed_back, document, recorded_by) SELECT * FROM {_split(*PURCHASE_TYPES, first=7)}),
  entries AS (INSERT INTO entry (customer_id, sequence, kind, points, available_after, reference, occurred_at, recorded_at)
    SELECT *, $1::timestamptz FROM {_split(*ENTRY_TYPES, first=28)}),
  lots AS (INSERT INTO lot (customer_id, sequence, points, remaining)
    SELECT * FROM {_split("text", "bigint", "bigint", "bigint", first=35)}),
  events AS (INSERT INTO event (source, id) SELECT * FROM {_split("text", "text", first=39)}),
  accounts AS (INSERT INTO account (customer_id, card_number, sequence, event_sequence, available, lifetime_points,
      enrolled_at)
    SELECT * FROM {_split("text", "text", "bigint", "bigint", "bigint", "bigint", "timestamptz", first=44)}),
  cards AS (INSERT INTO card (card_number, customer_id, issued_at)
    SELECT * FROM {_split("text", "text", "timestamptz", first=51)})
INSERT INTO outbox (topic, key, payload)
SELECT topic, key, convert_to(payload, 'UTF8') FROM {_split("text", "text", "text", first=41)} AS k(topic, key, payload)"""

# a card that purchases wait for stands there already, without an owner
OWN_CARDS = f"""
UPDATE card SET customer_id = k.customer_id, issued_at = k.issued_at
  FROM {_split("text", "text", "timestamptz")} AS k(card_number, customer_id, issued_at)
 WHERE card.card_number = k.card_number AND card.customer_id IS NULL"""

UPDATE_PURCHASES = f"""
UPDATE purchase SET status = k.status, customer_id = k.customer_id, card_number = k.card_number, currency = k.currency,
  total = k.total, shipping = k.shipping, gift_cards = k.gift_cards, points_paid = k.points_paid,
  occurred_at = k.occurred_at, received_at = k.received_at, points = k.points, entry_sequence = k.entry_sequence,
  award = k.award, refunded = k.refunded, refunded_eligible = k.refunded_eligible,
  refunded_points_paid = k.refunded_points_paid, clawed_back = k.clawed_back, document = k.document,
  recorded_by = k.recorded_by
  FROM {_split(*PURCHASE_TYPES)} AS k(shop_id, invoice_number, status, customer_id, card_number, currency, total,
    shipping, gift_cards, points_paid, occurred_at, received_at, points, entry_sequence, award, refunded,
    refunded_eligible, refunded_points_paid, clawed_back, document, recorded_by)
 WHERE purchase.shop_id = k.shop_id AND purchase.invoice_number = k.invoice_number"""

REFUND_TYPES = (
    "text", "text", "text", "text", "numeric", "numeric", "numeric", "numeric", "text", "timestamptz", "timestamptz",
    "text", "text", "numeric", "bigint", "bigint", "text",
)  # fmt: skip
INSERT_REFUNDS = f"""
INSERT INTO refund (shop_id, invoice_number, refund_id, currency, amount, shipping, gift_cards, points_paid, kind,
  occurred_at, received_at, customer_id, status, points_paid_part, points, entry_sequence, refused_code)
SELECT * FROM {_split(*REFUND_TYPES)}"""

UPDATE_REFUNDS = f"""
UPDATE refund SET status = k.status, points_paid_part = k.points_paid_part, points = k.points,
  entry_sequence = k.entry_sequence, refused_code = k.refused_code
  FROM {_split("text", "text", "text", "text", "numeric", "bigint", "bigint", "text")}
    AS k(shop_id, invoice_number, refund_id, status, points_paid_part, points, entry_sequence, refused_code)
 WHERE refund.shop_id = k.shop_id AND refund.invoice_number = k.invoice_number AND refund.refund_id = k.refund_id"""

UPDATE_LOTS = f"""
UPDATE lot SET remaining = k.remaining FROM {_split("text", "bigint", "bigint")} AS k(customer_id, sequence, remaining)
 WHERE lot.customer_id = k.customer_id AND lot.sequence = k.sequence"""

INSERT_ALLOCATIONS = f"""
INSERT INTO allocation (customer_id, debit_sequence, lot_sequence, points)
SELECT * FROM {_split("text", "bigint", "bigint", "bigint")}"""

INSERT_DEEDS = f"""
INSERT INTO audit (actor, action, subject, request_id) SELECT * FROM {_split("text", "text", "text", "text")}"""

INSERT_ADJUSTMENTS = """
INSERT INTO adjustment (adjustment_id, customer_id, points, reason, note, actor, entry_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[])"""

INSERT_ANSWERS = """
INSERT INTO stored_answer (api_key, idempotency_key, fingerprint, status, body, content_type, answered_at)
SELECT *, $7::timestamptz FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::bytea[], $6::text[])"""

_purchase_row = attrgetter(
    "shop_id", "invoice_number", "status", "customer_id", "card_number", "currency", "total", "shipping", "gift_cards",
    "points_paid", "occurred_at", "received_at", "points", "entry_sequence", "award", "refunded", "refunded_eligible",
    "refunded_points_paid", "clawed_back", "document", "recorded_by",
)  # fmt: skip
_refund_row = attrgetter(
    "shop_id", "invoice_number", "refund_id", "currency", "amount", "shipping", "gift_cards", "points_paid", "kind",
    "occurred_at", "received_at", "customer_id", "status", "points_paid_part", "points", "entry_sequence", "refused_code",
)  # fmt: skip
_refund_change = attrgetter(
    "shop_id", "invoice_number", "refund_id", "status", "points_paid_part", "points", "entry_sequence", "refused_code"
)
_entry_row = attrgetter("customer_id", "sequence", "kind", "points", "available_after", "reference", "occurred_at")
_account_row = attrgetter(
    "customer_id", "card_number", "sequence", "event_sequence", "available", "lifetime_points", "enrolled_at"
)
_account_change = attrgetter("customer_id", "sequence", "event_sequence", "available", "lifetime_points")


class Ledger:
    """Books requests in the caller's transaction; keeps nothing but the published programmes it has read."""

    def __init__(self) -> None:
        self._versions: Versions | None = None
        self._serials: deque[int] = deque()

    async def book(self, connection: AsyncConnection, requests: Sequence[Request], *, now: dt.datetime) -> list[Reply]:
        """Load, decide, save. Answers one reply per request, in their order; the caller commits.

        Raises `CollisionError` (through `transact`: another transaction was first) and the database's errors.
        """
        books = await self._load(connection, requests, now)
        replies = books.decide(list(requests))
        self._serials.extend(books.serials)
        await _save(connection, books.changes, now)
        return replies

    async def preview(
        self, connection: AsyncConnection, commands: Sequence[Command], *, now: dt.datetime
    ) -> list[Outcome]:
        """Decide as `book` would and save nothing; the caller rolls back, which frees what was locked."""
        requests = [Request(list(commands))]
        books = await self._load(connection, requests, now)
        (reply,) = books.decide(requests)
        self._serials.extend(books.serials)
        return reply.outcomes

    async def publish(
        self,
        connection: AsyncConnection,
        programme: Programme,
        *,
        valid_from: dt.datetime,
        now: dt.datetime,
        actor: str,
    ) -> tuple[Version, bool]:
        """Add a version of the programme, unless what holds at `valid_from` is this document. Answers it and whether it is new."""
        await fetch(connection, "LOCK TABLE programme IN SHARE ROW EXCLUSIVE MODE")
        versions = await self.versions(connection)
        current = versions.at(valid_from)
        if current.programme == programme:
            return current, False
        version = Version(version=versions.latest + 1, valid_from=valid_from, programme=programme)
        document = programme.model_dump_json()
        await fetch(connection, INSERT_PROGRAMME, version.version, valid_from, document, now, actor)
        return version, True

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        rows = await fetch(connection, "SELECT max(version) AS version FROM programme")
        return await self._versions_up_to(connection, rows[0]["version"])

    async def _versions_up_to(self, connection: AsyncConnection, latest: int) -> Versions:
        if self._versions is None or self._versions.latest != latest:
            self._versions = await _load_versions(connection)
        return self._versions

    async def _load(self, connection: AsyncConnection, requests: Sequence[Request], now: dt.datetime) -> Books:
        wanted = _Wanted(command for request in requests for command in request.commands)
        known = (await fetch(connection, KNOWN, *_joined(wanted.keys, 4)))[0]
        books = Books(now, await self._versions_up_to(connection, known["version"]), deque())
        books.events.update(map(tuple, known["heard"]))
        if any(request.key for request in requests):
            await _load_answers(connection, books, requests)
        if known["booked"]:
            await _lock_purchases(connection, books, wanted, set(map(tuple, known["booked"])))
        await _load_cards(connection, books, wanted)
        await self._load_accounts(connection, books, wanted)
        return books

    async def _load_accounts(self, connection: AsyncConnection, books: Books, wanted: "_Wanted") -> None:
        if not wanted.customers:
            return
        ids = sorted(wanted.customers)
        for row in await fetch(connection, LOCK_ACCOUNTS, SEPARATOR.join(ids)):
            books.accounts[row[0]] = Account(*row)
        books.serials.extend(await self._draw_serials(connection, len(ids) - len(books.accounts)))
        debited = sorted((wanted.debited | wanted.refunded_buyers(books.cards)) & books.accounts.keys())
        if debited:
            await _load_lots(connection, books, debited)
        owing = sorted(account.customer_id for account in books.accounts.values() if account.available < 0)
        if owing:
            for row in await fetch(connection, LOAD_DEBTS, owing):
                books.debts.setdefault(row["customer_id"], []).append((row["sequence"], row["missing"]))

    async def _draw_serials(self, connection: AsyncConnection, wanted: int) -> list[int]:
        """Return serials for so many new cards; those of a process that ends are lost, as of one rolled back."""
        while len(self._serials) < wanted:
            missing = wanted - len(self._serials)
            for row in await fetch(connection, NEXT_SERIALS, -(-missing // SERIALS_AT_ONCE)):
                self._serials.extend(range(row[0], row[0] + SERIALS_AT_ONCE))
        # taken before anything else is awaited: batches of other partitions draw from the same hand
        return [self._serials.popleft() for _ in range(wanted)]


NO_KEY = ("", "")


class _Wanted:
    """What a batch of commands needs to have loaded."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self.keys: list[tuple[str, str, str, str]] = []
        self.refunded: set[tuple[str, str]] = set()
        self.customers: set[str] = set()
        self.cards: set[str] = set()
        self.enrolled_cards: set[str] = set()
        self.debited: set[str] = set()
        self._buyers: dict[tuple[str, str], PurchaseCompleted] = {}
        for command in commands:
            self._add(command)

    def refunded_buyers(self, cards: dict[str, str | None]) -> set[str]:
        """Return who buys, in this very batch, what is refunded in it or was before it came."""
        bought = [self._buyers[key] for key in self.refunded if key in self._buyers]
        buyers = {each.customer_id or cards.get(each.card_number or "") for each in bought}
        return {buyer for buyer in buyers if buyer is not None}

    def _add(self, command: Command) -> None:
        match command:
            case AwardPurchase():
                self._add_purchase(command)
            case RefundPurchase(refund=refund, origin=origin):
                key = refund.shop_id, refund.invoice_number
                self.keys.append((*key, origin.source, origin.id))
                self.refunded.add(key)
            case EnrolCustomer():
                self._add_enrolment(command)
            case PassOn(origin=origin):
                self.keys.append((*NO_KEY, origin.source, origin.id))
            case AdjustBalance(customer_id=customer_id, points=points):
                self.customers.add(customer_id)
                if points < 0:
                    self.debited.add(customer_id)
            case ClaimPurchase(shop_id=shop_id, invoice_number=invoice_number, customer_id=customer_id):
                self.keys.append((shop_id, invoice_number, *NO_KEY))
                self.refunded.add((shop_id, invoice_number))
                self.customers.add(customer_id)
                self.debited.add(customer_id)

    def _add_purchase(self, command: AwardPurchase) -> None:
        purchase, origin = command.purchase, command.origin
        key = purchase.shop_id, purchase.invoice_number
        self.keys.append((*key, origin.source, origin.id))
        self._buyers[key] = purchase
        if purchase.customer_id is not None:
            self.customers.add(purchase.customer_id)
        if purchase.card_number is not None:
            self.cards.add(purchase.card_number)

    def _add_enrolment(self, command: EnrolCustomer) -> None:
        self.customers.add(command.customer_id)
        if command.origin is not None:
            self.keys.append((*NO_KEY, command.origin.source, command.origin.id))
        if command.card_number is not None:
            self.cards.add(command.card_number)
            self.enrolled_cards.add(command.card_number)


async def _load_versions(connection: AsyncConnection) -> Versions:
    rows = await fetch(connection, LOAD_PROGRAMMES)
    return Versions(
        [
            Version(
                version=row["version"],
                valid_from=row["valid_from"],
                programme=Programme.model_validate_json(row["document"]),
            )
            for row in rows
        ]
    )


async def _load_answers(connection: AsyncConnection, books: Books, requests: Sequence[Request]) -> None:
    keys = [request.key for request in requests if request.key is not None]
    rows = await fetch(connection, LOAD_ANSWERS, [key.api_key for key in keys], [key.key for key in keys])
    for row in rows:
        answer = Answer(row["status"], row["body"], row["content_type"])
        books.answers[row["api_key"], row["idempotency_key"]] = row["fingerprint"], answer


async def _lock_purchases(
    connection: AsyncConnection, books: Books, wanted: _Wanted, keys: set[tuple[str, str]]
) -> None:
    shops, invoices = zip(*sorted(keys), strict=True)
    for row in await fetch(connection, LOCK_PURCHASES, shops, invoices):
        purchase = _purchase(row)
        books.purchases[purchase.key] = purchase
        if purchase.customer_id is not None:
            wanted.customers.add(purchase.customer_id)
        if purchase.card_number is not None:
            wanted.cards.add(purchase.card_number)
    await _load_refunds(connection, books, wanted, keys)


async def _load_refunds(connection: AsyncConnection, books: Books, wanted: _Wanted, keys: set[tuple[str, str]]) -> None:
    """Load the refunds of purchases that are refunded, claimed or awaited, and note who may be debited for them."""
    needed = [key for key in keys if key in wanted.refunded or books.purchases[key].status != "booked"]
    if not needed:
        return
    shops, invoices = zip(*needed, strict=True)
    for row in await fetch(connection, LOAD_REFUNDS, shops, invoices):
        refund = Refund(**dict(row))
        books.refunds[refund.key] = refund
        if refund.status == "waiting":
            books.waiting.setdefault((refund.shop_id, refund.invoice_number), []).append(refund)
    wanted.refunded.update(needed)
    wanted.debited.update(owner for key in needed if (owner := books.purchases[key].customer_id) is not None)


async def _load_cards(connection: AsyncConnection, books: Books, wanted: _Wanted) -> None:
    if not wanted.cards:
        return
    numbers = sorted(wanted.cards)
    books.cards = dict(await fetch(connection, LOAD_CARDS, numbers))
    unowned = [number for number, owner in books.cards.items() if owner is None]
    if unowned:
        books.cards.update(await fetch(connection, LOCK_CARDS, sorted(unowned)))
        books.awaited_cards.update(unowned)
    wanted.customers.update(owner for owner in books.cards.values() if owner is not None)
    awaited = [number for number in unowned if number in wanted.enrolled_cards]
    if not awaited:
        return
    parked = [_purchase(row) for row in await fetch(connection, LOCK_PARKED, awaited)]
    for purchase in parked:
        books.purchases[purchase.key] = purchase
        books.parked.setdefault(purchase.card_number or "", []).append(purchase)
    if parked:
        await _load_refunds(connection, books, wanted, {purchase.key for purchase in parked})


async def _load_lots(connection: AsyncConnection, books: Books, customers: list[str]) -> None:
    for customer in customers:
        books.lots[customer] = []
    for row in await fetch(connection, LOAD_LOTS, customers):
        books.lots[row["customer_id"]].append(Lot(row["sequence"], row["points"], row["remaining"]))


def _purchase(row: asyncpg.Record) -> Purchase:
    return Purchase(*row)


def _joined(rows: Sequence[tuple[Any, ...]], width: int) -> list[str]:
    """Turn rows into one string per column, for `_split`."""
    return [_join(column) for column in zip(*rows, strict=True)] if rows else [""] * width


def _join(column: Sequence[Any]) -> str:
    if type(column[0]) is str and None not in column:
        return SEPARATOR.join(column)
    return SEPARATOR.join([_spelled(each) for each in column])


def _spelled(value: object) -> str:
    if value is None:
        return NOTHING
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


async def _save(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    _forget_new(changes)
    await _save_hot(connection, changes, now)
    await _save_rest(connection, changes, now)


def _forget_new(changes: Changes) -> None:
    """What is new is inserted as it stands now; only what stood there before is updated."""
    for account in changes.accounts:
        changes.changed_accounts.pop(account.customer_id, None)
    for purchase in changes.purchases:
        changes.changed_purchases.pop(purchase.key, None)
    for refund in changes.refunds:
        changes.changed_refunds.pop(refund.key, None)
    for customer_id, lot in changes.lots:
        changes.changed_lots.pop((customer_id, lot.sequence), None)


async def _save_hot(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    lots = [(customer_id, lot.sequence, lot.points, lot.remaining) for customer_id, lot in changes.lots]
    await fetch(
        connection,
        SAVE,
        now,
        *_joined([_account_change(each) for each in changes.changed_accounts.values()], 5),
        *_joined([_purchase_row(each) for each in sorted(changes.purchases, key=_key)], 21),
        *_joined([_entry_row(each) for each in changes.entries], 7),
        *_joined(lots, 4),
        *_joined(sorted(changes.events), 2),
        *_joined(changes.outbox, 3),
        *_joined(sorted(map(_account_row, changes.accounts)), 7),
        *_joined([(number, *changes.cards[number]) for number in sorted(changes.cards)], 3),
    )


_key = attrgetter("shop_id", "invoice_number")


async def _save_rest(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    for statement, rows in (
        (OWN_CARDS, [(number, *card) for number, card in changes.owned_cards.items()]),
        (UPDATE_PURCHASES, [_purchase_row(each) for each in changes.changed_purchases.values()]),
        # in the order of their arrival, which the identity column keeps
        (INSERT_REFUNDS, [_refund_row(each) for each in changes.refunds]),
        (UPDATE_REFUNDS, [_refund_change(each) for each in changes.changed_refunds.values()]),
        (UPDATE_LOTS, [(*key, lot.remaining) for key, lot in changes.changed_lots.items()]),
        (INSERT_ALLOCATIONS, changes.allocations),
        (INSERT_DEEDS, changes.deeds),
    ):
        if rows:
            await fetch(connection, statement, *_joined(rows, 0))
    await _save_free_text(connection, changes, now)
    for refund, code, detail in changes.late_refusals:
        await dead_letters.insert_late(
            connection,
            consumer=CONSUMER,
            topic=PURCHASES_TOPIC,
            key=refund.customer_id,
            value=_as_event(refund),
            code=code,
            error=detail,
        )


def _as_event(refund: Refund) -> bytes:
    """Return the event of a refund that had waited and is refused now: the one that brought it is long gone."""
    said = ("shop_id", "invoice_number", "refund_id", "currency", "amount", "shipping", "gift_cards", "kind")
    data = {name: str(getattr(refund, name)) for name in said}
    data |= {
        name: str(value) for name in ("customer_id", "points_paid") if (value := getattr(refund, name)) is not None
    }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": "/".join(refund.key),
            "source": SOURCE,
            "type": "loyalty.purchase.refunded.v1",
            "time": refund.received_at,
            "data": data | {"occurred_at": refund.occurred_at},
        }
    )


async def _save_free_text(connection: AsyncConnection, changes: Changes, now: dt.datetime) -> None:
    """Save what holds anything that people or clients write, which no separator can split."""
    if changes.adjustments:
        rows = [
            (each.adjustment_id, each.customer_id, each.points, each.reason, each.note, each.actor, sequence)
            for each, sequence in changes.adjustments
        ]
        await fetch(connection, INSERT_ADJUSTMENTS, *zip(*rows, strict=True))
    if changes.answers:
        answers = [
            (key.api_key, key.key, key.fingerprint, answer.status, answer.body, answer.content_type)
            for key, answer in changes.answers
        ]
        await fetch(connection, INSERT_ANSWERS, *zip(*answers, strict=True), now)
