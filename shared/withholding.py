"""What may still be told of somebody who was erased: of what is owed to the world, whatever others depend on."""

from collections.abc import Collection, Iterable, Iterator

import orjson

ERASED = "customer-erased"
"""The code of every refusal to do something for somebody who was erased."""

PURCHASES, CUSTOMERS = "loyalty.purchases", "loyalty.customers"

WITHHELD = "loyalty.customer.withheld.v1"
"""The type of what was to be told of them when they were erased: readers skip it, and no number is missing."""

Owed = tuple[str, str, str]
"""Topic, key and payload."""


def withheld(topic: str, payload: bytes) -> bytes | None:
    """Return what may leave of an event about somebody who is erased; nothing where that would tell nobody anything.

    A purchase goes on without its card, as long as that leaves it a customer: what others get may depend on it.
    """
    event = orjson.loads(payload)
    if topic == PURCHASES:
        event["data"].pop("card_number", None)
        return orjson.dumps(event) if event["data"].get("customer_id") else None
    if topic == CUSTOMERS:
        return None
    return orjson.dumps(event | {"type": WITHHELD, "data": {"customer_id": event["subject"]}})


def withhold(owed: Iterable[Owed], keys: Collection[str]) -> Iterator[Owed]:
    """Give the events that a batch owes, without what they tell of somebody."""
    for topic, key, payload in owed:
        left = withheld(topic, payload.encode()) if key in keys else payload.encode()
        if left is not None:
            yield topic, key, left.decode()
