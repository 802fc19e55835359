"""What was said to a customer over REST, what is going to be, and what was not and why."""

import datetime as dt
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.asking import service_of
from services.notifications.programme import Purpose
from services.notifications.records import NotificationStatus
from shared.asking import Cursor, Limit, Segment, page
from shared.auth import Guarded, needs
from shared.database import fetch
from shared.errors import ProblemError, parameter_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["notifications"])

LAST = ("9999-12-31T00:00:00+00:00", "ffffffff-ffff-ffff-ffff-ffffffffffff")

NEWEST = """
SELECT notification_id, subject, reference, status, reason, purpose, channel, day, coupon_id, happened_at, due_at, said_at
  FROM notification
 WHERE customer_id = $1 AND (happened_at, notification_id) < ($2, $3)
 ORDER BY happened_at DESC, notification_id DESC LIMIT $4"""

CUSTOMER = "SELECT FROM customer WHERE customer_id = $1"


class NotificationView(BaseModel):
    """A message to a customer: `reason` says why it was suppressed or failed, or what a planned one waits for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "notification_id": "6a1e0d2c-94a2-5b9e-9a42-0f5f0f3b8c21",
                    "subject": "occasion:birthday",
                    "reference": "2026",
                    "status": "suppressed",
                    "reason": "consent-withdrawn",
                    "purpose": "offers",
                    "channel": None,
                    "day": "2026-11-23",
                    "coupon_id": None,
                    "happened_at": "2026-11-22T23:00:00Z",
                    "due_at": "2026-11-23T08:12:00Z",
                    "said_at": None,
                }
            ]
        }
    )

    notification_id: UUID
    subject: str
    reference: str
    status: NotificationStatus
    reason: str | None
    purpose: Purpose
    channel: str | None
    day: dt.date | None
    coupon_id: str | None
    happened_at: dt.datetime
    due_at: dt.datetime
    said_at: dt.datetime | None


class NotificationPage(BaseModel):
    """A page of messages, the newest first."""

    data: list[NotificationView]
    next_cursor: str | None


@router.get(
    "/customers/{customer_id:segment}/notifications",
    response_model=NotificationPage,
    openapi_extra=needs("notifications:read"),
    summary="What was said to a customer, what is going to be, and what was not and why; the newest first",
    responses=problem_responses({404: ["customer-unknown"], 422: ["cursor-invalid"]}),
)
async def list_notifications(
    http: HttpRequest, customer_id: Segment, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    at, name = _place(cursor)
    notifications = service_of(http)
    async with notifications.engine.connect() as connection:
        await _heard_of(connection, customer_id)
        rows = await fetch(connection, NEWEST, customer_id, at, name, limit + 1)
    return page([_view(row) for row in rows], limit, "happened_at", "notification_id")


async def _heard_of(connection: AsyncConnection, customer_id: str) -> None:
    if not await fetch(connection, CUSTOMER, customer_id):
        raise ProblemError(404, "customer-unknown", f"nobody has heard of {customer_id}")


def _place(cursor: str | None) -> tuple[dt.datetime, UUID]:
    at, name = decode_cursor(cursor, str, str) if cursor else LAST
    try:
        return dt.datetime.fromisoformat(at).astimezone(dt.UTC), UUID(name)
    except (OverflowError, ValueError):
        raise parameter_error("cursor", "cursor-invalid", "is not one that a list of ours has answered") from None


def _view(row: Any) -> dict[str, Any]:
    # a cursor holds text
    return {
        **row,
        "happened_at": row["happened_at"].isoformat().replace("+00:00", "Z"),
        "notification_id": str(row["notification_id"]),
    }
