"""Whether a coupon can be used for a basket (rule 27)."""

import datetime as dt
from decimal import Decimal

import orjson

from services.notifications.records import Coupon


def why_not(
    coupon: Coupon, now: dt.datetime, *, total: Decimal | None, currency: str | None, reservation: str | None
) -> str | None:
    """Return why a basket can't have it; none where it can. Without a total, only the coupon itself is judged."""
    status = coupon.status_at(now)
    if status == "reserved" and coupon.reservation != reservation:
        return "coupon-reserved"
    if status not in {"issued", "reserved"}:
        return f"coupon-{status}"
    value = orjson.loads(coupon.value or "{}")
    if currency is not None and value.get("currency", currency) != currency:
        return "other-currency"
    if total is not None and total < Decimal(value.get("minimum", "0")):
        return "below-minimum"
    return None
