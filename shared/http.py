"""The HTTP style of every service: one application shape, size limits, path segments, cursors, health and metrics."""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import unquote

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from shared.auth import document_keys
from shared.errors import ProblemError, answer_with_problems, document_problems, parameter_error, problem
from shared.telemetry import RequestTimes

log = structlog.get_logger(__name__)

CHECK_SECONDS = 3
LARGEST = 2**63 - 1


class Api(FastAPI):
    """An application in our style: problems, limits, readable path segments."""

    def __init__(
        self,
        *,
        service: str,
        title: str,
        version: str,
        description: str = "",
        max_request_bytes: int = 1 << 20,
        lifespan: Lifespan[Any] | None = None,
    ) -> None:
        super().__init__(title=title, version=version, description=description, lifespan=lifespan)
        answer_with_problems(self)
        self.add_middleware(RequestTimes, service=service)
        self.add_middleware(BodyLimit, most_bytes=max_request_bytes)
        self.add_middleware(PathSegments)

    def openapi(self) -> dict[str, Any]:
        """The document as the framework makes it, with problems as what they are and the way to send a key."""
        return document_keys(document_problems(super().openapi()))


# Requests that are too large


class BodyLimit:
    """Refuses a body that is too large: before it is read where its length is said, while it is read where it is not."""

    def __init__(self, app: ASGIApp, *, most_bytes: int) -> None:
        self.app = app
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
        if length is None:
            await self.app(scope, self._counted(receive), send)
        elif length.isdigit() and int(length) <= self.most_bytes:
            await self.app(scope, receive, send)
        else:
            await self._too_large().problem.response({"Connection": "close"})(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.most_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> ProblemError:
        return ProblemError(413, "request-too-large", f"a request body may have {self.most_bytes} bytes")


# Path segments


class PathSegments:
    """Decodes the path segment by segment, so that an encoded slash does not cut one in two.

    Servers decode the path as a whole. Here `%2F` and `%25` stay encoded, for the convertor `segment` to decode once:
    `/v1/purchases/{shop_id:segment}/{invoice_number:segment}`. A path that is no UTF-8 or holds NUL is refused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%" in raw:
            try:
                scope = {**scope, "path": _decoded(raw)}
            except ValueError as error:
                await problem(422, "path-invalid", str(error)).response()(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _decoded(raw: bytes) -> str:
    try:
        text = (
            unquote(raw.decode("ascii"), errors="strict") if b"%2" not in raw else _keeping_slashes(raw.decode("ascii"))
        )
    except UnicodeDecodeError:
        raise ValueError("the path is not UTF-8") from None
    if "\x00" in text:
        raise ValueError("the path holds a NUL")
    return text


def _keeping_slashes(path: str) -> str:
    segments = (unquote(segment, errors="strict") for segment in path.split("/"))
    return "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in segments)


class _Segment(Convertor[str]):
    regex: ClassVar[str] = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        return value.replace("%", "%25").replace("/", "%2F")


register_url_convertor("segment", _Segment())


# Cursors

Part = TypeVar("Part", str, int)


def encode_cursor(position: Sequence[str | int]) -> str:
    """An opaque place in a list: the key of the last row shown."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type[str] | type[int]) -> list[Any]:
    """The key that a cursor of ours holds, one value per kind. Raises a problem `cursor-invalid` for anything else."""
    try:
        position = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or [type(part) for part in position] != list(kinds)
        or not all(map(_fits, position))
    ):
        raise parameter_error("cursor", "cursor-invalid", "is not one that a list of ours has answered")
    return position


def _fits(part: str | int) -> bool:
    """Whether the database could hold it: forged cursors are no reason for an error of its own."""
    if isinstance(part, int):
        return -LARGEST <= part <= LARGEST
    return "\x00" not in part and not any("\ud800" <= letter <= "\udfff" for letter in part)


# Health and metrics

Check = Callable[[], Awaitable[object]]


class Health(BaseModel):
    """`checks` says for each part whether it works."""

    status: Literal["ok", "failing"]
    checks: dict[str, Literal["ok", "failing"]] = {}


def health_routes(checks: Mapping[str, Check], *, registry: CollectorRegistry = REGISTRY) -> APIRouter:
    """`/health/live`, `/health/ready` and `/metrics`; a check that raises, or takes longer than 3 seconds, fails."""
    router = APIRouter(tags=["operation"])

    @router.get("/health/live", summary="The process answers")
    async def live() -> Health:
        return Health(status="ok")

    @router.get("/health/ready", summary="Requests can be served", responses={503: {"model": Health}})
    async def ready(response: Response) -> Health:
        passed = await asyncio.gather(*(_passes(name, check) for name, check in checks.items()))
        if not all(passed):
            response.status_code = 503
        named = {name: _word(ok=ok) for name, ok in zip(checks, passed, strict=True)}
        return Health(status=_word(ok=all(passed)), checks=named)

    @router.get("/metrics", summary="For Prometheus", response_class=Response, include_in_schema=False)
    async def metrics(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": media_type})

    return router


def _word(*, ok: bool) -> Literal["ok", "failing"]:
    return "ok" if ok else "failing"


async def _passes(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is that it is not ready
        log.warning("not_ready", check=name, error=repr(error))
        return False
    return True
