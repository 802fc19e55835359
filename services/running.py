"""The processes of services: their databases, APIs and workers, started together and ended together."""

import asyncio
import errno
import gc
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.service import PointsService
from services.registry import POINTS, Kind, Made, Part
from shared import api_keys, embedded_postgres
from shared.auth import is_loopback
from shared.clock import DatabaseClock
from shared.database import DatabaseAwayError, create_engine, database_errors, sqlstate
from shared.http import Check, health_routes
from shared.jobs import Job, keep
from shared.messaging import consumer, kafka, local, outbox
from shared.messaging.waiting import pauses
from shared.migrations import upgrade
from shared.service import Service, database_checks
from shared.settings import Settings, variable

log = structlog.get_logger(__name__)

BACKLOG = 2048

LOCK_TAKEN = "55P03"
"""SQLSTATE of a migration that found a table in use."""

UNWELCOME = ("28", "3D", "42501")
"""SQLSTATEs of a server that knows no such user, password or database, or gives them no rights."""


class StartError(Exception):
    """The process can't start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Opened(Generic[Made]):
    """A service on its database, in this process."""

    kind: Kind[Made]
    service: Made
    url: str


@dataclass(frozen=True, slots=True)
class Here:
    """The services of this process; `server` is ours to keep running where a database was not configured."""

    services: Sequence[Opened[Any]]
    server: embedded_postgres.Server | None


@asynccontextmanager
async def opened(settings: Settings, kinds: Sequence[Kind[Any]]) -> AsyncIterator[Here]:
    """Open services, for a command of the command line or a process that serves.

    Each has its configured database, or one in a PostgreSQL of our own in `data_dir`, at its newest schema.
    """
    urls = {each: url for each in kinds if (url := each.database_url(settings)) is not None}
    own = [each for each in kinds if each not in urls]
    async with AsyncExitStack() as ends:
        # what is configured wrong is said before a server is started for the others
        await _migrate(urls)
        server = await ends.enter_async_context(_embedded(settings, own)) if own else None
        if server is not None:
            made = {each: server.url_for(each.database) for each in own}
            await _migrate(made)
            urls |= made
        services = [await ends.enter_async_context(_open(each, urls[each], settings)) for each in kinds]
        yield Here(services, server)


@asynccontextmanager
async def _embedded(settings: Settings, kinds: Sequence[Kind[Any]]) -> AsyncIterator[embedded_postgres.Server]:
    directory, databases = settings.data_dir / "postgres", [each.database for each in kinds]
    starting = asyncio.create_task(asyncio.to_thread(embedded_postgres.start, directory, databases=databases))
    try:
        yield await asyncio.shield(starting)
    finally:
        # a thread is not to be interrupted, so whoever ends us during the start waits for it
        server = await starting
        await asyncio.to_thread(server.stop)


async def _migrate(urls: Mapping[Kind[Any], str]) -> None:
    for kind, url in urls.items():
        await _migrate_one(kind, url)


async def _migrate_one(kind: Kind[Any], url: str) -> None:
    for pause in pauses():
        try:
            async with database_errors():
                await upgrade(url, kind.package)
        except DatabaseAwayError as error:
            log.warning("database_away", service=kind.name, error=str(error), retry_in=round(pause, 1))
        except DBAPIError as error:
            state = sqlstate(error) or ""
            if state.startswith(UNWELCOME):
                raise StartError(f"{variable(kind.url_field)}: {error.orig}") from error
            if state != LOCK_TAKEN:
                raise
            log.warning("migration_waits", service=kind.name, why="a table is in use", retry_in=round(pause, 1))
        else:
            return
        await asyncio.sleep(pause)


@asynccontextmanager
async def _open(kind: Kind[Made], url: str, settings: Settings) -> AsyncIterator[Opened[Made]]:
    engine = create_engine(url, name=f"loyalty-{kind.name}", pool_size=settings.database_pool_size)
    clock = DatabaseClock(engine)
    with suppress(DatabaseAwayError):
        await clock.set()
    service, keeping_time = kind.make(engine, settings, clock=clock), asyncio.create_task(clock.keep())
    try:
        yield Opened(kind, service, url)
    finally:
        await _end([keeping_time])
        await service.close()


@asynccontextmanager
async def alone(settings: Settings, kind: Kind[Made]) -> AsyncIterator[Made]:
    """Give one service without the others."""
    async with opened(settings, [kind]) as here:
        yield here.services[0].service


def points_service(settings: Settings) -> AbstractAsyncContextManager[PointsService]:
    """Give the points service alone, for the commands that are its own."""
    return alone(settings, POINTS)


def worker(of: Opened[Any], settings: Settings, neighbours: Sequence[Opened[Any]] = ()) -> list[Part]:
    """Return what runs beside an API: the relay, the jobs, and with Kafka the consumer; without, `neighbours` hear of it."""
    service, servers = of.service, settings.kafka_bootstrap_servers
    relay = outbox.Relay(service.engine, _carrier(of, servers, neighbours), service=of.kind.name)
    service.committed = relay.wake
    parts: list[Part] = [relay.run, partial(_keep_jobs, of), *of.kind.parts(service, settings)]
    return parts if servers is None else [*parts, partial(_consume, of, settings, servers)]


def _carrier(of: Opened[Any], servers: str | None, neighbours: Sequence[Opened[Any]]) -> outbox.Carrier:
    if servers is not None:
        return outbox.KafkaCarrier(servers, service=of.kind.name)
    hearing = [local.Neighbour(each.kind.subscription(each.service), each.service.engine) for each in neighbours]
    return local.LocalCarrier(of.service.engine, hearing, service=of.kind.name, clock=of.service.clock)


@asynccontextmanager
async def jobs_of(of: Opened[Any]) -> AsyncIterator[tuple[list[Job], AsyncEngine]]:
    """Give the jobs of a service, and the engine that they and their locks use."""
    engine = create_engine(of.url, name=f"loyalty-{of.kind.name}-jobs", pool_size=of.kind.job_connections)
    try:
        yield of.kind.jobs(of.service, engine), engine
    finally:
        await engine.dispose()


async def _keep_jobs(of: Opened[Any]) -> None:
    async with jobs_of(of) as (kept, engine):
        await asyncio.gather(*(keep(engine, job, service=of.kind.name) for job in kept))


def keeping(here: Here) -> list[Part]:
    """Return what keeps our own PostgreSQL running."""
    return [] if here.server is None else [here.server.keep_running]


def broker_checks(settings: Settings) -> dict[str, Check]:
    """Return the check that the broker answers, where one is configured."""
    servers = settings.kafka_bootstrap_servers
    return {} if servers is None else {"broker": partial(kafka.ask, servers)}


async def _consume(of: Opened[Any], settings: Settings, servers: str) -> None:
    subscription = of.kind.subscription(of.service)
    await _topics(servers, {*subscription.topics, *of.kind.says})
    await consumer.run(
        subscription,
        engine=of.service.engine,
        bootstrap_servers=servers,
        clock=of.service.clock,
        limits=consumer.Limits(
            max_event_bytes=settings.max_event_bytes,
            dead_letter_share=settings.dead_letter_share,
            dead_letter_window=settings.dead_letter_window,
        ),
    )


async def _topics(servers: str, names: Collection[str]) -> None:
    """Make the topics that are missing; a broker that is away is waited for."""
    for pause in pauses():
        try:
            await kafka.create_topics(servers, kafka.declared(sorted(names)))
        except kafka.KafkaError as error:
            log.warning("kafka_away", error=repr(error), retry_in=round(pause, 1))
            await asyncio.sleep(pause)
        else:
            return


async def admit(of: Opened[Any], settings: Settings) -> None:
    """Keep the installation's first API key; without any key nobody may ask, or only this machine."""
    service: Service[Any, Any] = of.service
    async with database_errors(), service.engine.begin() as connection:
        if await api_keys.keep_first(connection, settings.bootstrap_key, now=service.clock()):
            return
    if not is_loopback(settings.host):
        message = (
            f"LOYALTY_HOST: {settings.host} is no loopback address, and there is no API key yet;"
            " set LOYALTY_BOOTSTRAP_KEY, or make one with `loyalty keys create`"
        )
        raise StartError(message)
    log.warning("api_open", service=of.kind.name, why="there is no API key yet", to="every program on this machine")


class _Api(uvicorn.Server):
    """Leaves signals to the process, which ends it with all its parts by one cancellation; says when it answers."""

    ready: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


async def serve(
    app: FastAPI, settings: Settings, beside: Sequence[Part], *, ready: Callable[[], None] | None = None
) -> None:
    """Serve until cancelled; whatever runs beside the API ends with it, and ends it where it fails."""
    listener = _listener(settings)
    server = _Api(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=10,
        )
    )
    server.ready = ready or partial(log.info, "serving", url=f"http://{settings.host}:{settings.port}")
    spare_the_collector()
    api = asyncio.create_task(server.serve(sockets=[listener]))
    tasks = [asyncio.create_task(part()) for part in beside]
    try:
        await _first_end([api, *tasks])
    finally:
        server.should_exit = True
        await api
        await _end(tasks)


def worker_health(of: Opened[Any], settings: Settings) -> FastAPI:
    """Return what a worker without an API answers: its health and its metrics."""
    app = FastAPI(openapi_url=None)
    checks = database_checks(of.service.engine, of.kind.package)
    app.include_router(health_routes({**checks, **broker_checks(settings)}))
    return app


async def work(parts: Sequence[Part]) -> None:
    """Run a worker without an API until cancelled, or until one of its parts fails."""
    spare_the_collector()
    tasks = [asyncio.create_task(part()) for part in parts]
    log.info("working")
    try:
        await _first_end(tasks)
    finally:
        await _end(tasks)


async def _first_end(tasks: "Sequence[asyncio.Task[None]]") -> None:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def spare_the_collector() -> None:
    """Leave what stands at the start out of every collection, and collect less often.

    A batch makes tens of thousands of objects and no cycle; with the defaults half of its time went to looking for one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"can't be had: {error.strerror}"
        message = f"LOYALTY_PORT: {settings.host}:{settings.port} {reason}; set another, or end what listens there"
        raise StartError(message) from None


async def _end(tasks: "Sequence[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("part_failed", error=repr(result))
