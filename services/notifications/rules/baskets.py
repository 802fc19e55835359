"""Whether a coupon can be used for a basket (rule 27)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def why_not(
    status: str, value: Mapping[str, Any], *, total: Decimal | None, currency: str | None, has_it: bool
) -> str | None:
    """Return why a basket can't have a coupon; none where it can. `has_it` says that it reserved the coupon.

    Without a total only the coupon itself is judged; amounts are in units of the currency.
    """
    if status == "reserved" and not has_it:
        return "coupon-reserved"
    if status not in {"issued", "reserved"}:
        return f"coupon-{status}"
    if currency is not None and value.get("currency", currency) != currency:
        return "other-currency"
    if total is not None and total < Decimal(value.get("minimum", "0")):
        return "below-minimum"
    return None
