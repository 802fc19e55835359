"""The CloudEvents 1.0 attributes that every event carries."""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

from shared.contracts.values import Identifier, Instant

EventName = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)]


class Envelope(BaseModel):
    """`id` and `source` together name the event for ever; unknown attributes are ignored."""

    specversion: Literal["1.0"]
    id: EventName
    source: EventName
    subject: Identifier | None = None
    time: Instant | None = None
    sequence: str | None = None
    traceparent: str | None = None
