"""What is said and answered over REST about consents."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from services.notifications.rules.consent import ConsentPurpose, State
from shared.contracts.values import CustomerId, Flag, Instant

Channel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
How = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$", max_length=2_000)]

CONSENT: dict[str, Any] = {
    "customer_id": "c-42",
    "channel": "email",
    "purpose": "offers",
    "state": "given",
    "asked": {"at": "2026-11-23T09:15:00Z", "how": "checkout", "text": "newsletter/3"},
    "confirmed": {
        "at": "2026-11-23T09:20:00Z",
        "how": "link in mail",
        "text": "Yes, I would like to receive offers and coupons by e-mail.",
    },
    "withdrawn": None,
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class ConsentWord(BaseModel):
    """A yes or a no with its proof: `how` it was said, and the `text` or its version; without `at` it is said now."""

    model_config = _example(
        customer_id="c-42",
        channel="email",
        purpose="offers",
        given=True,
        how="checkout",
        text="newsletter/3",
        at="2026-11-23T10:15:00+01:00",
    )

    customer_id: CustomerId
    channel: Channel
    purpose: ConsentPurpose
    given: Flag
    how: How
    text: Words
    at: Instant | None = None


class ProofView(BaseModel):
    """When, how and to which text."""

    at: dt.datetime
    how: str
    text: str


class ConsentView(BaseModel):
    """A consent as it stands; one that is only `asked` counts once it is confirmed."""

    model_config = _example(**CONSENT)

    customer_id: str
    channel: str
    purpose: ConsentPurpose
    state: State
    asked: ProofView | None
    confirmed: ProofView | None
    withdrawn: ProofView | None


class ConsentList(BaseModel):
    """Everything a customer ever said of consents, by channel and purpose."""

    data: list[ConsentView]
