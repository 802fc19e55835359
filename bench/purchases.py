"""Purchases that nobody made: a till's requests and a shop's events, as large as real ones."""

import datetime as dt
import random
import uuid
from typing import Any

HOT = "c-hot"


def purchase(invoice_number: str, customer_id: str, *, occurred_at: str) -> dict[str, Any]:
    """Return the `data` of a purchase of 119.00, of which 114.10 earn."""
    return {
        "shop_id": "webshop-de",
        "invoice_number": invoice_number,
        "customer_id": customer_id,
        "occurred_at": occurred_at,
        "channel": "web",
        "currency": "EUR",
        "total": "119.00",
        "tax": "19.00",
        "shipping": "4.90",
        "lines": [
            {"sku": "A-1", "category": "wine", "quantity": 2, "amount": "64.10"},
            {"sku": "B-27", "category": "food", "quantity": 1, "amount": "50.00"},
        ],
    }


def bodies(count: int, *, customers: int) -> list[dict[str, Any]]:
    """Return new purchases of so many customers, or all of one."""
    now = dt.datetime.now(dt.UTC).isoformat()
    who = [HOT] if customers == 1 else [f"c-{number}" for number in range(customers)]
    return [purchase(uuid.uuid4().hex, random.choice(who), occurred_at=now) for _ in range(count)]


def event(data: dict[str, Any]) -> dict[str, Any]:
    """Return the event that a shop's system makes of it."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/shops/webshop-de",
        "type": "loyalty.purchase.completed.v1",
        "subject": data["customer_id"],
        "time": data["occurred_at"],
        "datacontenttype": "application/json",
        "data": data,
    }
