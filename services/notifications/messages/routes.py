"""Messages over REST: what failed and is tried again, and what came of what was delivered."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest

from services.notifications.answers import notification_view, render_notification
from services.notifications.asking import REUSED, service_of
from services.notifications.commands import HearDelivery, RetryNotification
from services.notifications.messages import queries
from services.notifications.messages.queries import FIRST, Listed
from services.notifications.messages.schemas import (
    DeliveryReport,
    NotificationDetail,
    NotificationPage,
    NotificationView,
)
from services.notifications.programme import Channel
from services.notifications.records import Dispatch, Notification
from shared.asking import Cursor, KeyHeader, Limit, as_json, ask, page
from shared.auth import Guarded, needs
from shared.database import database_errors
from shared.errors import ProblemError, parameter_error, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["messages"])

READ, WRITE = needs("messages:read"), needs("messages:write")
UNKNOWN = {404: ["notification-unknown"]}
SO_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": NotificationView, "description": "it was so already"}}
RAW = {"requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string"}}}}}

Key = Annotated[UUID, Path()]


@router.get(
    "/notifications",
    response_model=NotificationPage,
    openapi_extra=READ,
    summary="Messages that have failed, or that wait",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_notifications(
    http: HttpRequest,
    status: Listed = "failed",
    channel: Annotated[Channel | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    after = _place(cursor) if cursor else FIRST
    async with database_errors(), service_of(http).engine.connect() as connection:
        found = await queries.notifications(connection, status, channel, after=after, limit=limit + 1)
    rows = [notification_view(each) | {"place": each.due_at.isoformat()} for each in found]
    return page(rows, limit, "place", "notification_id")


def _place(cursor: str) -> tuple[dt.datetime, UUID]:
    at, key = decode_cursor(cursor, str, str)
    try:
        return dt.datetime.fromisoformat(at), UUID(key)
    except ValueError:
        raise parameter_error("cursor", "cursor-invalid", "is not one that a list of ours has answered") from None


@router.get(
    "/notifications/{notification_id}",
    response_model=NotificationDetail,
    openapi_extra=READ,
    summary="A message, and how its delivery went",
    responses=problem_responses(UNKNOWN),
)
async def get_notification(http: HttpRequest, notification_id: Key) -> Response:
    found = await _known(http, notification_id)
    async with database_errors(), service_of(http).engine.connect() as connection:
        dispatch = await queries.dispatch(connection, notification_id)
    return as_json(notification_view(found) | {"delivery": None if dispatch is None else _delivery_view(dispatch)})


@router.post(
    "/notifications/{notification_id}/retry",
    response_model=NotificationView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Say anew what has failed; whether it may be said is judged again",
    responses=problem_responses({**UNKNOWN, 409: ["notification-not-failed", REUSED]}),
)
async def retry(http: HttpRequest, notification_id: Key, key: KeyHeader = None) -> Response:
    found = await _known(http, notification_id)
    return await ask(http, RetryNotification(notification_id, found.customer_id), render_notification, key)


@router.post(
    "/notifications/{notification_id}/reports",
    response_model=NotificationView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Tell what became of a message that the shop's own mailer delivers",
    responses={**SO_BEFORE, **problem_responses({**UNKNOWN, 409: ["notification-unsaid", REUSED]})},
)
async def report(http: HttpRequest, notification_id: Key, said: DeliveryReport, key: KeyHeader = None) -> Response:
    found = await _known(http, notification_id)
    return await ask(http, HearDelivery(notification_id, found.customer_id, said.status), render_notification, key)


async def _known(http: HttpRequest, notification_id: UUID) -> Notification:
    async with database_errors(), service_of(http).engine.connect() as connection:
        found = await queries.notification(connection, notification_id)
    if found is None:
        raise ProblemError(404, "notification-unknown", f"there is no notification {notification_id}")
    return found


def _delivery_view(dispatch: Dispatch) -> dict[str, Any]:
    return {
        "status": dispatch.status,
        "attempts": dispatch.attempts,
        "due_at": dispatch.due_at if dispatch.status == "waiting" else None,
        "answer": dispatch.answer,
        "ended_at": dispatch.ended_at,
    }
