"""From what a notification was planned with to what its template is told: dates are dates again, gifts are in words."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from services.notifications.templates.formats import Gift, Reader, gift
from services.notifications.templates.kinds import SAMPLES, Given, Kind
from shared.contracts.coupons import FreeArticle, MoneyVoucher, PercentageVoucher, PointsBenefit, Shipping

AnyValue = Annotated[
    PointsBenefit | FreeArticle | PercentageVoucher | MoneyVoucher | Shipping, Field(discriminator="kind")
]


class Present(BaseModel):
    """A gift as a notification keeps it; points have no code."""

    value: AnyValue
    code: str | None = None
    valid_until: dt.datetime | None = None
    titles: dict[str, str] = {}

    def said(self, to: Reader, currency: str) -> Gift:
        return gift(self.value, to, currency=currency, code=self.code, valid_until=self.valid_until, titles=self.titles)


DATE: TypeAdapter[dt.date] = TypeAdapter(dt.date)


def values(kind: Kind, content: Mapping[str, Any], to: Reader, *, currency: str) -> dict[str, Any]:
    """Return the variables of a kind. Raises `KeyError` for one that is missing, and `ValueError` for what it is not."""
    return {name: _value(sample, content[name], to, currency) for name, sample in SAMPLES[kind].items()}


def _value(sample: object, value: Any, to: Reader, currency: str) -> Any:
    if isinstance(sample, Given):
        return Present.model_validate(value).said(to, currency)
    return DATE.validate_python(value) if isinstance(sample, dt.date) else value
