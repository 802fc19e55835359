"""What was found in the files as the events that a shop would have sent, under names that a second run gives again."""

import datetime as dt
from functools import lru_cache
from typing import Annotated, Any

import orjson
from pydantic import Discriminator, TypeAdapter

from services.points.commands import AwardPurchase, Command, RefundPurchase
from services.points.imports.lines import EPOCH, MICROSECOND, UNIT
from services.points.imports.staging import Sale, TakenBack
from shared.contracts.purchases import PurchaseCompletedEvent, PurchaseRefundedEvent
from shared.messaging.decoding import decode
from shared.messaging.events import Verdict
from shared.requests import Origin

EVENTS: TypeAdapter[Any] = TypeAdapter(
    Annotated[PurchaseCompletedEvent | PurchaseRefundedEvent, Discriminator("type")],
)


def command_for(item: Sale | TakenBack, *, now: dt.datetime, limit: int) -> Command | Verdict:
    """Return what `item` asks of the books, or the verdict on an event that breaks the contract; `limit` is in bytes."""
    document = _sale(item) if isinstance(item, Sale) else _refund(item)
    received = decode(EVENTS, orjson.dumps(document), now=now, limit=limit)
    if isinstance(received, Verdict):
        return received
    event = received.event
    # the number of a purchase tells a repeat by itself, and another content under it is to be reported; what a line of a
    # cancellation takes back may be matched otherwise in a run with more files, so its event is what tells it
    named = isinstance(item, TakenBack)
    origin = Origin(
        event.source, event.id, now, event.time, named=named, document=received.document, author="loyalty import"
    )
    return RefundPurchase(event.data, origin) if named else AwardPurchase(event.data, origin)


def _sale(sale: Sale) -> dict[str, Any]:
    occurred_at = _instant(sale.occurred_at)
    data = {
        "shop_id": sale.shop_id,
        "invoice_number": sale.invoice_number,
        "customer_id": sale.customer_id,
        "occurred_at": occurred_at,
        "currency": sale.currency,
        "total": _decimal(sale.total),
        "lines": [_line(*line) for line in sale.lines if line[0] is not None and line[3] >= 0],
    }
    return _event("completed", f"purchase/{sale.invoice_number}", sale.shop_id, data)


def _line(sku: str | None, category: str | None, quantity: int | None, amount: int) -> dict[str, Any]:
    line = {"sku": sku, "quantity": _quantity(quantity), "amount": _decimal(amount)}
    return line if category is None else line | {"category": category}


def _refund(item: TakenBack) -> dict[str, Any]:
    name = f"{item.cancellation}/{item.position}"
    reason = f"cancellation {item.cancellation}"
    if item.amount < item.said:
        reason += f"; it says {_decimal(item.said)}, which is more than was paid"
    data: dict[str, Any] = {
        "shop_id": item.shop_id,
        "invoice_number": item.invoice_number,
        "refund_id": name,
        "customer_id": item.customer_id,
        "occurred_at": _instant(item.occurred_at),
        "currency": item.currency,
        "amount": _decimal(item.amount),
        "reason": reason,
    }
    if item.sku is not None:
        data["lines"] = [_line(item.sku, None, item.quantity, item.amount)]
    return _event("refunded", f"refund/{name}", item.cancelled_in, data)


def _event(kind: str, name: str, shop_id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": f"/imports/{shop_id}",
        "type": f"loyalty.purchase.{kind}.v1",
        "subject": data["customer_id"] or f"{data['shop_id']}/{data['invoice_number']}",
        "time": data["occurred_at"],
        "datacontenttype": "application/json",
        "data": data,
    }


@lru_cache(1 << 16)
def _decimal(value: int) -> str:
    """Write ten-thousandths as money: two decimals, more where there are more."""
    whole, rest = divmod(value, UNIT)
    decimals = f"{rest:04d}"
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _quantity(value: int | None) -> int | str:
    if value is None:
        return 1
    return abs(value) // UNIT if value % UNIT == 0 else _decimal(abs(value))


def _instant(microseconds: int) -> str:
    return (EPOCH + microseconds * MICROSECOND).isoformat()
