"""What operators see: logs on stderr, and the times of requests for Prometheus."""

import logging
import re
import sys
import time
from typing import Literal

import structlog
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor

REQUEST_SECONDS = Histogram(
    "loyalty_http_request_seconds",
    "Time to answer a request, by the template of its path",
    ["service", "method", "path", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)

NOISY = ("aiokafka", "asyncio", "alembic", "httpx", "uvicorn")
"""They tell their inner life at `info`, and httpx the URLs it calls; with us that is `debug`."""


REPEATED_SECONDS = 60.0


QUOTED = re.compile(r"(DETAIL:|CONTEXT:|\[parameters:|input_value=).*")


class _Repeats(logging.Filter):
    """Lets a Kafka client say a thing once a minute: one whose broker is away says it twenty times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka"):
            return True
        now, what = time.monotonic(), (record.name, str(record.msg))
        if now - self._said_at.get(what, -REPEATED_SECONDS) < REPEATED_SECONDS:
            return False
        self._said_at[what] = now
        return True


def configure_logging(level: str = "info", form: Literal["auto", "console", "json"] = "auto") -> None:
    """One line per event on stderr, ours and those of the libraries alike; stdout belongs to the commands."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *first, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=_last(as_json=as_json))
    )
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.captureWarnings(capture=True)


def _last(*, as_json: bool) -> list[Processor]:
    first: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _discreet,
    ]
    if as_json:
        return [*first, structlog.processors.JSONRenderer()]
    # the prettier formatters of exceptions print local variables, and with them customers
    plain = structlog.dev.plain_traceback
    return [*first, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _discreet(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave out of a traceback what PostgreSQL and pydantic quote of the content, which may be a customer's."""
    if "exception" in event:
        event["exception"] = QUOTED.sub(r"\1 (left out)", event["exception"])
    return event


class RequestTimes:
    """Measures requests; stands innermost, where the route that was taken is known."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self.app = app
        self.service = service
        self.series: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            path = getattr(scope.get("route"), "path_format", "")
            self._of(scope["method"], path, status).observe(time.perf_counter() - began)

    def _of(self, method: str, path: str, status: int) -> Histogram:
        series = self.series.get((method, path, status))
        if series is None:
            # a path that is no route has no label of its own, or a scanner could make a million
            series = REQUEST_SECONDS.labels(self.service, method if path else "", path, status)
            self.series[method, path, status] = series
        return series
