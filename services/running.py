"""A service's processes: its database, its API, its worker, started together and ended together."""

import asyncio
import errno
import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

import services.points
from services.points import handlers, jobs
from services.points.app import database_checks
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared import api_keys, embedded_postgres
from shared.auth import is_loopback
from shared.clock import DatabaseClock
from shared.database import DatabaseAwayError, create_engine, database_errors, sqlstate
from shared.http import Check, health_routes
from shared.jobs import Job, keep
from shared.messaging import consumer, kafka, local, outbox
from shared.messaging.waiting import pauses
from shared.migrations import upgrade

log = structlog.get_logger(__name__)

POINTS_DATABASE = "loyalty_points"
BACKLOG = 2048

LOCK_TAKEN = "55P03"
"""SQLSTATE of a migration that found a table in use."""

UNWELCOME = ("28", "3D", "42501")
"""SQLSTATEs of a server that knows no such user, password or database, or gives them no rights."""

Part = Callable[[], Coroutine[Any, Any, None]]
"""What runs beside an API, or makes a worker, until it is cancelled."""


class StartError(Exception):
    """The process can't start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the points service keeps its books; `server` is ours to keep running where no other was configured."""

    url: str
    server: embedded_postgres.Server | None


@asynccontextmanager
async def database(settings: PointsSettings) -> AsyncIterator[Database]:
    """Give the configured database, or a PostgreSQL of our own in `data_dir`, at its newest schema."""
    if settings.points_database_url is not None:
        await _migrated(settings.points_database_url)
        yield Database(settings.points_database_url, None)
        return
    async with _embedded(settings) as server:
        url = server.url_for(POINTS_DATABASE)
        await _migrated(url)
        yield Database(url, server)


@asynccontextmanager
async def _embedded(settings: PointsSettings) -> AsyncIterator[embedded_postgres.Server]:
    directory = settings.data_dir / "postgres"
    starting = asyncio.create_task(asyncio.to_thread(embedded_postgres.start, directory, databases=[POINTS_DATABASE]))
    try:
        yield await asyncio.shield(starting)
    finally:
        # a thread is not to be interrupted, so whoever ends us during the start waits for it
        server = await starting
        await asyncio.to_thread(server.stop)


async def _migrated(url: str) -> None:
    for pause in pauses():
        try:
            async with database_errors():
                await upgrade(url, services.points)
        except DatabaseAwayError as error:
            log.warning("database_away", error=str(error), retry_in=round(pause, 1))
        except DBAPIError as error:
            state = sqlstate(error) or ""
            if state.startswith(UNWELCOME):
                raise StartError(f"LOYALTY_POINTS_DATABASE_URL: {error.orig}") from error
            if state != LOCK_TAKEN:
                raise
            log.warning("migration_waits", why="a table is in use", retry_in=round(pause, 1))
        else:
            return
        await asyncio.sleep(pause)


@asynccontextmanager
async def points_service(settings: PointsSettings) -> AsyncIterator[tuple[PointsService, Database]]:
    """Give the points service on its database, for a command of the command line or a process that serves."""
    async with database(settings) as books:
        engine = create_engine(books.url, name="loyalty-points", pool_size=settings.database_pool_size)
        clock = DatabaseClock(engine)
        with suppress(DatabaseAwayError):
            await clock.set()
        service, keeping_time = PointsService(engine, clock=clock), asyncio.create_task(clock.keep())
        try:
            yield service, books
        finally:
            await _end([keeping_time])
            await service.close()


def worker(points: PointsService, settings: PointsSettings, books: Database) -> list[Part]:
    """Return what runs beside the API: the relay, the jobs, and with Kafka the consumer."""
    servers = settings.kafka_bootstrap_servers
    carrier: outbox.Carrier = (
        local.LocalCarrier(points.engine, [], service="points", clock=points.clock)
        if servers is None
        else outbox.KafkaCarrier(servers, service="points")
    )
    relay = outbox.Relay(points.engine, carrier, service="points")
    points.committed = relay.wake
    parts: list[Part] = [relay.run, partial(_keep_jobs, points, books)]
    return parts if servers is None else [*parts, partial(_consume, points, settings, servers)]


@asynccontextmanager
async def points_jobs(points: PointsService, books: Database) -> AsyncIterator[tuple[list[Job], AsyncEngine]]:
    """Give the jobs of the points service, and the engine that they and their locks use."""
    engine = create_engine(books.url, name="loyalty-points-jobs", pool_size=jobs.CONNECTIONS)
    try:
        yield jobs.jobs(points, engine), engine
    finally:
        await engine.dispose()


async def _keep_jobs(points: PointsService, books: Database) -> None:
    async with points_jobs(points, books) as (kept, engine):
        await asyncio.gather(*(keep(engine, job, service="points") for job in kept))


def keeping(books: Database) -> list[Part]:
    """Return what keeps our own PostgreSQL running."""
    return [] if books.server is None else [books.server.keep_running]


def broker_checks(settings: PointsSettings) -> dict[str, Check]:
    """Return the check that the broker answers, where one is configured."""
    servers = settings.kafka_bootstrap_servers
    return {} if servers is None else {"broker": partial(kafka.ask, servers)}


async def _consume(points: PointsService, settings: PointsSettings, servers: str) -> None:
    await _topics(servers)
    await consumer.run(
        handlers.subscription(points.ledger, clock=points.clock),
        engine=points.engine,
        bootstrap_servers=servers,
        clock=points.clock,
        limits=consumer.Limits(
            max_event_bytes=settings.max_event_bytes,
            dead_letter_share=settings.dead_letter_share,
            dead_letter_window=settings.dead_letter_window,
        ),
    )


async def _topics(servers: str) -> None:
    """Make the topics that are missing; a broker that is away is waited for."""
    names = (*handlers.TOPICS, "loyalty.points")
    for pause in pauses():
        try:
            await kafka.create_topics(servers, kafka.declared(names))
        except kafka.KafkaError as error:
            log.warning("kafka_away", error=repr(error), retry_in=round(pause, 1))
            await asyncio.sleep(pause)
        else:
            return


async def admit(points: PointsService, settings: PointsSettings) -> None:
    """Keep the installation's first API key; without any key nobody may ask, or only this machine."""
    async with database_errors(), points.engine.begin() as connection:
        if await api_keys.keep_first(connection, settings.bootstrap_key, now=points.clock()):
            return
    if not is_loopback(settings.host):
        message = (
            f"LOYALTY_HOST: {settings.host} is no loopback address, and there is no API key yet;"
            " set LOYALTY_BOOTSTRAP_KEY, or make one with `loyalty keys create`"
        )
        raise StartError(message)
    log.warning("api_open", why="there is no API key yet", to="every program on this machine")


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
    app: FastAPI, settings: PointsSettings, beside: Sequence[Part], *, ready: Callable[[], None] | None = None
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


def worker_health(points: PointsService, settings: PointsSettings) -> FastAPI:
    """Return what a worker without an API answers: its health and its metrics."""
    app = FastAPI(openapi_url=None)
    app.include_router(health_routes({**database_checks(points), **broker_checks(settings)}))
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


def _listener(settings: PointsSettings) -> socket.socket:
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
