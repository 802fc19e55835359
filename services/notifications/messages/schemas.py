"""What the API takes and answers of messages."""

import datetime as dt
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from services.notifications.programme import Purpose
from services.notifications.records import DispatchStatus, NotificationStatus

FAILED: dict[str, Any] = {
    "notification_id": "5f0c0a0e-6a0f-5d0b-9d3c-7f0e2a1b4c55",
    "customer_id": "c-42",
    "subject": "occasion:birthday",
    "status": "failed",
    "purpose": "offers",
    "channel": "email",
    "reason": "552 5.3.4 message too big",
    "due_at": "2026-11-23T09:15:00Z",
    "until": "2026-11-30T23:00:00Z",
    "said_at": "2026-11-23T09:15:00Z",
    "coupon_id": "5f0c0a0e-6a0f-5d0b-9d3c-7f0e2a1b4c55",
}
DELIVERY: dict[str, Any] = {
    "status": "failed",
    "attempts": 1,
    "due_at": None,
    "answer": "552 5.3.4 message too big",
    "ended_at": "2026-11-23T09:15:03Z",
}


Kind = Literal["sent", "bounced", "delayed", "complained"]
"""What becomes of a message on its way; `delayed` may pass."""


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class MessageView(BaseModel):
    """A message to a customer; `reason` is of a suppression or a failure, and what a planned one waits for."""

    model_config = _example(**FAILED)

    notification_id: str
    customer_id: str
    subject: str
    status: NotificationStatus
    purpose: Purpose
    channel: str | None
    reason: str | None
    due_at: dt.datetime
    until: dt.datetime | None
    said_at: dt.datetime | None
    coupon_id: str | None


class MessagePage(BaseModel):
    """A page of messages, those first that were due first."""

    data: list[MessageView]
    next_cursor: str | None


class DeliveryView(BaseModel):
    """How we deliver it; `answer` is what the other side said last."""

    model_config = _example(**DELIVERY)

    status: DispatchStatus
    attempts: int
    due_at: dt.datetime | None
    answer: str | None
    ended_at: dt.datetime | None


class MessageDetail(MessageView):
    """A message, and its delivery where that is ours."""

    model_config = _example(**FAILED, delivery=DELIVERY)

    delivery: DeliveryView | None


class DeliveryReport(BaseModel):
    """What became of a message that a shop's own mailer delivers; `delayed` is a bounce that may pass."""

    model_config = _example(status="bounced")

    status: Kind


class ReportResult(BaseModel):
    """What a report says of a message of ours."""

    notification_id: str | None
    kind: Literal["bounced", "delayed", "complained"]
    status: Literal["accepted", "unknown"]


class ReportAnswer(BaseModel):
    """What was read from a report; nothing where it is none."""

    model_config = _example(
        results=[{"notification_id": FAILED["notification_id"], "kind": "bounced", "status": "accepted"}]
    )

    results: list[ReportResult]
