"""Messages over REST: what failed and is tried again, and what came of what was delivered."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest

from services.notifications.answers import notification_view, render_notification
from services.notifications.asking import REUSED, service_of
from services.notifications.channels.reports import bounces, complaint
from services.notifications.commands import Command, HearDelivery, HearReport, ReportKind, RetryNotification
from services.notifications.messages import queries
from services.notifications.messages.queries import FIRST, Listed
from services.notifications.messages.schemas import (
    DeliveryReport,
    Kind,
    MessageDetail,
    MessagePage,
    MessageView,
    ReportAnswer,
)
from services.notifications.programme import Channel
from services.notifications.records import Dispatch, Notification
from services.notifications.rules import reaching
from services.notifications.rules.consent import spelled
from services.notifications.rules.reaching import MAIL
from shared.asking import (
    Cursor,
    KeyHeader,
    Limit,
    as_json,
    ask,
    author_of,
    idempotency_key,
    page,
    respond,
    submit,
)
from shared.auth import Guarded, needs
from shared.database import database_errors
from shared.errors import ProblemError, parameter_error, problem_responses
from shared.http import decode_cursor
from shared.requests import Request

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["notifications"])

READ, WRITE = needs("notifications:read"), needs("notifications:write")
UNKNOWN = {404: ["notification-unknown"]}
SO_BEFORE: dict[int | str, dict[str, Any]] = {200: {"model": MessageView, "description": "it was so already"}}
RAW = {"requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string"}}}}}

OF_ADDRESSES: Mapping[Kind, ReportKind] = {
    "sent": "delivered",
    "bounced": "bounced",
    "delayed": "soft-bounced",
    "complained": "complained",
}

Key = Annotated[UUID, Path()]


@router.get(
    "/notifications",
    response_model=MessagePage,
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
        return dt.datetime.fromisoformat(at).astimezone(dt.UTC), UUID(key)
    except (OverflowError, ValueError):
        raise parameter_error("cursor", "cursor-invalid", "is not one that a list of ours has answered") from None


@router.get(
    "/notifications/{notification_id}",
    response_model=MessageDetail,
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
    response_model=MessageView,
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
    response_model=MessageView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Tell what became of a message that the shop's own mailer delivers",
    responses={**SO_BEFORE, **problem_responses({**UNKNOWN, 409: ["notification-unsaid", REUSED]})},
)
async def report(http: HttpRequest, notification_id: Key, said: DeliveryReport, key: KeyHeader = None) -> Response:
    found = await _known(http, notification_id)
    commands = await _heard(http, found, said.status)
    idempotency = await idempotency_key(http, key) if key else None
    return respond(await submit(http, Request(commands, idempotency, author_of(http), render_notification)))


@router.post(
    "/reports",
    response_model=ReportAnswer,
    status_code=201,
    openapi_extra={**WRITE, **RAW},
    summary="Hand in a mail that came back: a delivery status notification (RFC 3464) or a complaint (RFC 5965)",
    responses=problem_responses(),
)
async def hand_in(http: HttpRequest) -> Response:
    results, commands = [], []
    for name, kind, address in _read(await http.body()):
        found = await _meant(http, name, address)
        results.append({"notification_id": name, "kind": kind, "status": "unknown" if found is None else "accepted"})
        if found is not None:
            commands += await _heard(http, found, kind)
    await submit(http, Request(commands, author=author_of(http)))
    return as_json({"results": results}, 201)


def _read(raw: bytes) -> list[tuple[str | None, Kind, str | None]]:
    """Return the messages that a mail is about, what it says of each, and whose address it names."""
    found: list[tuple[str | None, Kind, str | None]] = [
        (each.notification_id, "bounced" if each.permanent else "delayed", each.address) for each in bounces(raw)
    ]
    complained = complaint(raw)
    return found if complained is None else [*found, (complained.notification_id, "complained", complained.address)]


async def _meant(http: HttpRequest, name: str | None, address: str | None) -> Notification | None:
    """Return the message that a report is about. Anybody can write one: it has to name a message, and its own recipient."""
    try:
        key = UUID(name or "")
    except ValueError:
        return None
    async with database_errors(), service_of(http).engine.connect() as connection:
        found = await queries.notification(connection, key)
        if found is None or found.said_at is None:
            return None
        email = (await queries.contacts(connection, found.customer_id))["email"]
    is_theirs = email is not None and (address is None or spelled(MAIL, address) == spelled(MAIL, email))
    return found if is_theirs else None


async def _heard(http: HttpRequest, found: Notification, kind: Kind) -> list[Command]:
    """Return what is heard: of the message, and of the address that it went to."""
    heard: list[Command] = [HearDelivery(found.notification_id, found.customer_id, kind)]
    if found.said_at is None or found.channel is None:
        return heard
    async with database_errors(), service_of(http).engine.connect() as connection:
        contacts = await queries.contacts(connection, found.customer_id)
    where = reaching.address(found.channel, customer_id=found.customer_id, **contacts)
    return heard if where is None else [*heard, HearReport(found.channel, where, OF_ADDRESSES[kind])]


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
