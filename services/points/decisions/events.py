"""What the world hears of a decision: events numbered for their customer, owed in the same transaction."""

import hashlib
from typing import Any

import orjson

from services.points.books import Books
from services.points.commands import SOURCE, Outcome, PassOn
from services.points.records import Account, Entry
from shared.requests import Origin

POINTS_TOPIC = "loyalty.points"
PURCHASES_TOPIC = "loyalty.purchases"
CUSTOMERS_TOPIC = "loyalty.customers"
REFERRALS_TOPIC = "loyalty.referrals"
NOTIFICATIONS_TOPIC = "loyalty.notifications"

LONGEST_NAME = 255
"""So many characters an event's id may have."""


def event_name(*parts: str) -> str:
    """Return an event's id made of the names of what it tells: one for each, and no longer than an id may be."""
    name = "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)
    return name if len(name) <= LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()


def hear(books: Books, origin: Origin | None) -> None:
    """Remember an event for ever."""
    if origin is not None and (origin.source, origin.id) not in books.events:
        books.events.add((origin.source, origin.id))
        books.changes.events.append((origin.source, origin.id))


def is_heard(books: Books, origin: Origin | None) -> bool:
    """Tell whether an event was booked before; the names that we give ourselves to what has none do not count."""
    return origin is not None and origin.named and (origin.source, origin.id) in books.events


def relay(books: Books, topic: str, key: str, origin: Origin | None) -> None:
    """Let an event that came over HTTP leave on its topic."""
    if origin is not None and origin.document is not None:
        books.changes.outbox.append((topic, key, origin.document.decode()))


def pass_on(books: Books, command: PassOn) -> Outcome:
    if is_heard(books, command.origin):
        return Outcome("repeated")
    hear(books, command.origin)
    relay(books, command.topic, command.key, command.origin)
    return Outcome("booked")


def say(
    books: Books, account: Account, kind: str, entry: Entry, details: dict[str, Any], origin: Origin | None = None
) -> None:
    """Say an entry, with the balance after it."""
    data = {
        "customer_id": account.customer_id,
        "points": entry.points,
        "balance": balance_of(account),
        "entry_sequence": entry.sequence,
        "occurred_at": entry.occurred_at,
        **details,
    }
    emit(books, account, kind, data, origin)


def emit(books: Books, account: Account, kind: str, data: dict[str, Any], origin: Origin | None = None) -> None:
    """Owe the world an event; the account's lock orders its numbers, and the outbox with them."""
    account.event_sequence += 1
    event = {
        "specversion": "1.0",
        "id": f"{account.customer_id}:{account.event_sequence}",
        "source": SOURCE,
        "type": kind,
        "subject": account.customer_id,
        "time": books.now,
        "sequence": f"{account.event_sequence:020d}",
        "datacontenttype": "application/json",
        "data": data,
    }
    if origin is not None and origin.traceparent is not None:
        event["traceparent"] = origin.traceparent
    books.changes.outbox.append((POINTS_TOPIC, account.customer_id, orjson.dumps(event).decode()))
    books.changes.changed_accounts[account.customer_id] = account


def balance_of(account: Account) -> dict[str, int]:
    return {"available": account.available, "pending": account.pending, "held": account.held}
