"""What the API takes and answers of web hooks."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.values import Flag

HOOK: dict[str, Any] = {
    "channel": "whatsapp",
    "url": "https://gateway.example/messages",
    "enabled": True,
    "ended": None,
    "saved_at": "2026-11-23T09:15:00Z",
    "saved_by": "shop office",
}


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class HookDraft(BaseModel):
    """Where messages of a channel are to be delivered."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"url": "https://gateway.example/messages"}]}
    )

    url: Annotated[str, Field(max_length=2_000)]
    enabled: Flag = True


class HookView(BaseModel):
    """A web hook; `ended` is what it said when it would take nothing any more."""

    model_config = _example(**HOOK)

    channel: str
    url: str
    enabled: bool
    ended: str | None
    saved_at: dt.datetime
    saved_by: str


class HookSecret(HookView):
    """A web hook with its new secret, which is shown this once: what is posted there is signed with it (Standard Webhooks)."""

    model_config = _example(**HOOK, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")  # noqa: S106 - an example

    secret: str


class HookList(BaseModel):
    """All web hooks."""

    data: list[HookView]


class CallAnswer(BaseModel):
    """What a web hook made of a test call."""

    model_config = _example(became="sent", answer="200 ok")

    became: Literal["sent", "later", "refused"]
    answer: str


class ReplayAnswer(BaseModel):
    """How many messages that had failed are said anew; again, for more."""

    model_config = _example(retried=3)

    retried: int
