"""Who asks, and whether they may: API keys judged in memory before anything of a request is read."""

import asyncio
import datetime as dt
import hashlib
import hmac
import ipaddress
import random
import re
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.api_keys import ALL, SCOPES
from shared.database import database_errors, fetch
from shared.erasures import is_erased
from shared.errors import ProblemError, problem_responses
from shared.withholding import ERASED

log = structlog.get_logger(__name__)

LONGEST_TOKEN = 200

REFRESH_SECONDS = 2.0
STALE_SECONDS = 5.0
"""A revoked key is taken for at most so long."""
UNKNOWN_SECONDS = 1.0
"""A key that is not known may have been made just now; the database is asked no more often than this."""

REFUSED = Counter("loyalty_api_key_refusals_total", "Requests refused for their API key", ["reason"])


@dataclass(frozen=True, slots=True)
class Key:
    """A caller; its name stands in the audit trail and owns its idempotency keys."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ALL in self.scopes


OPEN = Key("open API", frozenset({ALL}))
"""Whoever asks while there is no key; no key can have this name."""


@dataclass(frozen=True, slots=True)
class _Kept:
    key: Key
    digest: bytes
    expires_at: dt.datetime | None


# Judging a request

LOAD = "SELECT id, name, digest, scopes, expires_at, revoked_at FROM api_key"

NOBODY = _Kept(Key("", frozenset()), bytes(32), None)

Headers = Iterable[tuple[bytes, bytes]]


class Keys:
    """The keys of one service, read anew every few seconds while somebody asks; a request costs no query of its own.

    With `open_here` a service that never had a key takes requests without one, unless a proxy passed them on.
    """

    def __init__(self, engine: AsyncEngine, *, open_here: bool) -> None:
        self._engine = engine
        self._open_here = open_here
        self._kept: dict[bytes, _Kept] = {}
        self._none_ever = False
        self._loaded_at = -STALE_SECONDS
        self._loading: asyncio.Task[None] | None = None

    async def judge(self, headers: Headers) -> Key:
        """Return who asks. Raises a problem with status 401, and `DatabaseAwayError` where nobody can tell."""
        age = time.monotonic() - self._loaded_at
        if age > REFRESH_SECONDS:
            loading = self._load_soon()
            if age > STALE_SECONDS:
                await asyncio.shield(loading)
        token = _token(headers)
        if token is not None:
            return await self._owner(token)
        if self._none_ever and self._open_here and not _was_passed_on(headers):
            return OPEN
        raise _refusal("api-key-missing", "send an API key: Authorization: Bearer lk_…")

    async def _owner(self, token: bytes) -> Key:
        name = token.split(b"_", 2)[1] if token.count(b"_") == 2 else b""  # noqa: PLR2004 - lk, id and secret
        if name not in self._kept and time.monotonic() - self._loaded_at > UNKNOWN_SECONDS:
            await asyncio.shield(self._load_soon())
        kept = self._kept.get(name, NOBODY)
        is_right = hmac.compare_digest(kept.digest, hashlib.sha256(token).digest())
        if not is_right or (kept.expires_at is not None and kept.expires_at <= dt.datetime.now(dt.UTC)):
            raise _refusal("api-key-invalid", "this API key is unknown, revoked or expired")
        return kept.key

    def _load_soon(self) -> "asyncio.Task[None]":
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(self._loaded)
        return self._loading

    async def _load(self) -> None:
        async with database_errors(), self._engine.connect() as connection:
            rows = await fetch(connection, LOAD)
        self._kept = {
            row["id"].encode(): _Kept(Key(row["name"], frozenset(row["scopes"])), row["digest"], row["expires_at"])
            for row in rows
            if row["revoked_at"] is None
        }
        self._none_ever = not rows
        self._loaded_at = time.monotonic()

    def _loaded(self, loading: "asyncio.Task[None]") -> None:
        self._loading = None
        if not loading.cancelled() and (error := loading.exception()) is not None:
            log.warning("api_keys_not_read", error=repr(error))


def _token(headers: Headers) -> bytes | None:
    given = [value for name, value in headers if name == b"authorization"]
    if not given:
        return None
    scheme, _, token = given[0].partition(b" ")
    if len(given) > 1 or scheme.lower() != b"bearer" or not 0 < len(token) <= LONGEST_TOKEN:
        raise _refusal("api-key-invalid", "send one header Authorization: Bearer lk_…")
    return token.strip()


def _was_passed_on(headers: Headers) -> bool:
    """Tell whether a proxy on this machine speaks for somebody elsewhere."""
    return any(name in {b"forwarded", b"x-forwarded-for"} for name, _ in headers)


def _refusal(code: str, detail: str) -> ProblemError:
    REFUSED.labels(code).inc()
    invalid = ', error="invalid_token"' if code == "api-key-invalid" else ""
    return ProblemError(401, code, detail, headers={"WWW-Authenticate": f'Bearer realm="loyalty"{invalid}'})


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# Routes and their document

SCHEME = "apiKey"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def needs(scope: str) -> dict[str, Any]:
    """`openapi_extra=` of a `Guarded` route: the scope that its caller's key must have."""
    if scope not in SCOPES:
        raise ValueError(f"{scope} is no scope")
    return {"security": [{SCHEME: [scope]}]}


def scope_of(openapi_extra: Any) -> str:
    """Return the scope that a route's document names."""
    scope: str = openapi_extra["security"][0][SCHEME][0]
    return scope


class Guarded(APIRoute):
    """A route that judges the caller's key before anything of the request is read: `openapi_extra=needs(…)`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        known = problem_responses(
            {401: ["api-key-missing", "api-key-invalid"], 403: ["scope-missing"], 410: ["customer-erased"]}
        )
        mine = {status: response for status, response in known.items() if status in {401, 403, 410}}
        super().__init__(path, endpoint, **options | {"responses": mine | (options.get("responses") or {})})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        scope = scope_of(self.openapi_extra)

        async def guarded(request: Request) -> Response:
            keys: Keys = request.app.state.keys
            key = await keys.judge(request.scope["headers"])
            if not key.may(scope):
                raise _scope_missing(key, scope)
            request.scope["caller"] = key
            return await _unless_erased(request, handle)

        return guarded


async def _unless_erased(request: Request, handle: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    """Answer, but for what is read of a customer who was erased; what is done to one is refused under their lock."""
    named = request.path_params.get("customer_id") or request.query_params.get("customer_id")
    if request.method != "GET" or named is None:
        return await handle(request)
    try:
        # first, so that what is wrong with the request is said whoever it is about
        answer = await handle(request)
    except ProblemError as error:
        if error.status_code != HTTPStatus.NOT_FOUND:
            raise
        await _refuse_erased(request, named)
        raise
    await _refuse_erased(request, named)
    return answer


async def _refuse_erased(request: Request, customer_id: str) -> None:
    if await is_erased(request.app.state.service.engine, customer_id):
        raise ProblemError(410, ERASED, "this customer was erased")


def _scope_missing(key: Key, scope: str) -> ProblemError:
    REFUSED.labels("scope-missing").inc()
    detail = f"the key {key.name} has no scope {scope}: {SCOPES[scope]}"
    challenge = f'Bearer realm="loyalty", error="insufficient_scope", scope="{scope}"'
    return ProblemError(403, "scope-missing", detail, headers={"WWW-Authenticate": challenge}, scope=scope)


def caller(request: Request) -> Key:
    """Return who asks, on a `Guarded` route."""
    key: Key = request.scope["caller"]
    return key


def request_id(request: Request) -> str:
    """Return the name of this request for the audit trail: the client's own, or one of ours."""
    said = request.headers.get("x-request-id")
    if said is not None and REQUEST_ID.fullmatch(said):
        return said
    return f"{random.getrandbits(64):016x}"


def document_keys(openapi: dict[str, Any]) -> dict[str, Any]:
    """Say in an OpenAPI document how a key is sent, where an operation needs one."""
    operations = [each for path in openapi.get("paths", {}).values() for each in path.values()]
    if any("security" in operation for operation in operations):
        description = (
            "An API key with the named scope. A service on a loopback address that has no key yet asks for none."
        )
        scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "lk_<id>_<secret>", "description": description}
        openapi.setdefault("components", {})["securitySchemes"] = {SCHEME: scheme}
    return openapi
