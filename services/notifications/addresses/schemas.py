"""What is said and answered over REST about addresses that messages came back from."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from services.notifications.commands import ReportKind

Channel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]+$", max_length=320)]
Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]

ADDRESS: dict[str, Any] = {
    "channel": "email",
    "address": "kim@example.com",
    "keeps_from": "everything",
    "soft_bounces": 0,
    "bounced_at": "2026-11-23T09:15:00Z",
    "complained_at": None,
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class Report(BaseModel):
    """What became of messages: `bounced` for good, `soft-bounced` this time, `complained` of as unwanted, or `delivered`."""

    model_config = _example(channel="email", address="kim@example.com", kind="bounced")

    channel: Channel
    address: Address
    kind: ReportKind


class Lift(BaseModel):
    """Why an address gets messages again."""

    model_config = _example(channel="email", address="kim@example.com", reason="the mailbox works again")

    channel: Channel
    address: Address
    reason: Reason


class AddressView(BaseModel):
    """What is known of an address, and what is kept from it."""

    model_config = _example(**ADDRESS)

    channel: str
    address: str
    keeps_from: Literal["everything", "promotional"] | None
    soft_bounces: int
    bounced_at: dt.datetime | None
    complained_at: dt.datetime | None


class AddressPage(BaseModel):
    """A page of addresses."""

    data: list[AddressView]
    next_cursor: str | None
