"""What the world hears of a decision: events numbered for their customer, owed in the same transaction."""

from typing import Any

import orjson

from services.notifications.books import Books
from services.notifications.commands import SOURCE
from services.notifications.records import Notification

NOTIFICATIONS_TOPIC = "loyalty.notifications"
CUSTOMERS_TOPIC = "loyalty.customers"


def named(notification: Notification) -> dict[str, Any]:
    """Return what every event about a notification says of it."""
    return {
        "notification_id": str(notification.notification_id),
        "about": notification.subject,
        "purpose": notification.purpose,
        "channel": notification.channel,
    }


def emit(books: Books, customer_id: str, kind: str, data: dict[str, Any]) -> None:
    """Owe the world an event; the customer's lock orders its numbers, and the outbox with them."""
    customer = books.customer(customer_id)
    customer.event_sequence += 1
    books.change(customer)
    event = {
        "specversion": "1.0",
        "id": f"{customer.customer_id}:{customer.event_sequence}",
        "source": SOURCE,
        "type": f"loyalty.{kind}.v1",
        "subject": customer.customer_id,
        "time": books.now,
        "sequence": f"{customer.event_sequence:020d}",
        "datacontenttype": "application/json",
        "data": {"customer_id": customer.customer_id, "occurred_at": books.now, **data},
    }
    books.changes.outbox.append((NOTIFICATIONS_TOPIC, customer.customer_id, orjson.dumps(event).decode()))


def tell_customers(books: Books, customer_id: str, kind: str, event_id: str, data: dict[str, Any]) -> None:
    """Owe the world what a shop put in here of a customer, as its own records would say it."""
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": f"loyalty.{kind}.v1",
        "subject": customer_id,
        "time": books.now,
        "datacontenttype": "application/json",
        "data": {"customer_id": customer_id, **data},
    }
    books.changes.outbox.append((CUSTOMERS_TOPIC, customer_id, orjson.dumps(event).decode()))
