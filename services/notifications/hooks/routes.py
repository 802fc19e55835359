"""Web hooks over REST: kept, tried, their secrets replaced, and what failed on them said anew."""

import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Response
from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.asking import service_of
from services.notifications.channels.message import Later, Message, Outcome, Sent
from services.notifications.commands import RetryNotification
from services.notifications.hooks import keeping
from services.notifications.hooks.calling import webhook_of
from services.notifications.hooks.keeping import Hook
from services.notifications.hooks.schemas import (
    CallAnswer,
    HookDraft,
    HookList,
    HookSecret,
    HookView,
    ReplayAnswer,
)
from services.notifications.programme import Channel
from services.notifications.rules.reaching import MAIL
from services.notifications.settings import NotificationsSettings
from shared import audit
from shared.asking import as_json, author_of
from shared.auth import Guarded, caller, needs, request_id
from shared.database import database_errors, transact
from shared.errors import ProblemError, field_error, problem_responses
from shared.requests import Request

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["hooks"])

READ, WRITE = needs("hooks:read"), needs("hooks:write")
UNKNOWN = {404: ["hook-unknown"]}
REPLAYED = 500

ChannelPath = Annotated[Channel, Path()]
Result = TypeVar("Result")


@router.get("/hooks", response_model=HookList, openapi_extra=READ, summary="All web hooks")
async def list_hooks(http: HttpRequest) -> Response:
    async with database_errors(), service_of(http).engine.connect() as connection:
        found = await keeping.hooks(connection)
    return as_json({"data": [_view(each) for each in found]})


@router.get(
    "/hooks/{channel}",
    response_model=HookView,
    openapi_extra=READ,
    summary="The web hook of a channel",
    responses=problem_responses(UNKNOWN),
)
async def get_hook(http: HttpRequest, channel: ChannelPath) -> Response:
    return as_json(_view(await _known(http, channel)))


@router.put(
    "/hooks/{channel}",
    response_model=HookView,
    openapi_extra=WRITE,
    summary="Deliver the messages of a channel to a web hook; a new one has its secret shown, this once",
    responses={
        201: {"model": HookSecret, "description": "new, with its secret"},
        **problem_responses({422: ["channel-taken", "url-unfit"]}),
    },
)
async def put_hook(http: HttpRequest, channel: ChannelPath, draft: HookDraft) -> Response:
    if channel == MAIL:
        detail = "mail is handed to a mail server, or left to the shop's own mailer"
        raise ProblemError(422, "channel-taken", detail)
    await _check(http, draft.url)
    now, actor = service_of(http).clock(), caller(http).name
    work = partial(keeping.put, channel=channel, url=draft.url, enabled=draft.enabled, now=now, actor=actor)
    hook, is_new = await _done(http, "hook.put", channel, work)
    return as_json(_with_secret(hook), 201) if is_new else as_json(_view(hook))


@router.delete(
    "/hooks/{channel}",
    status_code=204,
    openapi_extra=WRITE,
    summary="Deliver nothing on a channel any more",
    responses=problem_responses(UNKNOWN),
)
async def delete_hook(http: HttpRequest, channel: ChannelPath) -> Response:
    await _known(http, channel)
    await _done(http, "hook.delete", channel, partial(keeping.delete, channel=channel))
    return Response(status_code=204)


@router.post(
    "/hooks/{channel}/rotate",
    response_model=HookSecret,
    status_code=201,
    openapi_extra=WRITE,
    summary="Draw another secret, shown this once; the one before it goes on signing beside it",
    responses=problem_responses(UNKNOWN),
)
async def rotate_secret(http: HttpRequest, channel: ChannelPath) -> Response:
    await _known(http, channel)
    hook = await _done(http, "hook.rotate", channel, partial(keeping.rotate, channel=channel))
    if hook is None:
        raise _unknown(channel)
    return as_json(_with_secret(hook), 201)


@router.post(
    "/hooks/{channel}/test",
    response_model=CallAnswer,
    openapi_extra=WRITE,
    summary="Call a web hook with a message for nobody",
    responses=problem_responses(UNKNOWN),
)
async def call_hook(http: HttpRequest, channel: ChannelPath) -> Response:
    found = await _known(http, channel)
    webhook = webhook_of(_settings(http), found.url, found.secrets)
    message = Message(
        notification_id=f"test-{uuid.uuid4()}",
        customer_id="test",
        purpose="account",
        to="test",
        subject="Test",
        text="This is a test.\n",
        written_at=service_of(http).clock(),
    )
    try:
        return as_json(_answer(await webhook.send(message)))
    finally:
        await webhook.close()


@router.post(
    "/hooks/{channel}/replay",
    response_model=ReplayAnswer,
    status_code=201,
    openapi_extra=WRITE,
    summary=f"Say anew what has failed on a channel, at most {REPLAYED} messages",
    responses=problem_responses(UNKNOWN),
)
async def replay(http: HttpRequest, channel: ChannelPath) -> Response:
    await _known(http, channel)
    service = service_of(http)
    async with database_errors(), service.engine.connect() as connection:
        failed = await keeping.failed(connection, channel, limit=REPLAYED)
    commands = [RetryNotification(*each) for each in failed]
    reply = await service.submit(Request([*commands], author=author_of(http)))
    return as_json({"retried": sum(outcome.is_new for outcome in reply.outcomes)}, 201)


async def _known(http: HttpRequest, channel: str) -> Hook:
    async with database_errors(), service_of(http).engine.connect() as connection:
        found = await keeping.hook(connection, channel)
    if found is None:
        raise _unknown(channel)
    return found


def _unknown(channel: str) -> ProblemError:
    return ProblemError(404, "hook-unknown", f"there is no web hook for {channel}")


async def _done(
    http: HttpRequest, deed: str, channel: str, work: Callable[[AsyncConnection], Awaitable[Result]]
) -> Result:
    """Do something to a hook, and write down who did."""

    async def recorded(connection: AsyncConnection) -> Result:
        result = await work(connection)
        await audit.record(connection, caller(http).name, deed, channel, request_id(http))
        return result

    return await transact(service_of(http).engine, recorded)


async def _check(http: HttpRequest, url: str) -> None:
    try:
        await webhook_of(_settings(http), url, [keeping.drawn()]).close()
    except ValueError as error:
        raise field_error("/url", "url-unfit", str(error)) from None


def _settings(http: HttpRequest) -> NotificationsSettings:
    settings: NotificationsSettings = http.app.state.settings
    return settings


def _view(hook: Hook) -> dict[str, Any]:
    return {
        "channel": hook.channel,
        "url": hook.url,
        "enabled": hook.enabled,
        "ended": hook.ended,
        "saved_at": hook.saved_at,
        "saved_by": hook.saved_by,
    }


def _with_secret(hook: Hook) -> dict[str, Any]:
    return _view(hook) | {"secret": hook.secrets[0]}


def _answer(outcome: Outcome) -> dict[str, str]:
    if isinstance(outcome, Sent):
        return {"became": "sent", "answer": outcome.answer}
    return {"became": "later" if isinstance(outcome, Later) else "refused", "answer": outcome.reason}
