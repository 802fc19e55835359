"""A service's processes: its database, its API, its worker, started together and ended together."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

import services.points
from services.points import handlers
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared import embedded_postgres
from shared.database import DatabaseAwayError, create_engine, database_errors
from shared.messaging import consumer, kafka, local, outbox
from shared.messaging.waiting import pauses
from shared.migrations import upgrade

log = structlog.get_logger(__name__)

POINTS_DATABASE = "loyalty_points"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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
    directory = settings.data_dir / "postgres"
    server = await asyncio.to_thread(embedded_postgres.start, directory, databases=[POINTS_DATABASE])
    try:
        url = server.url_for(POINTS_DATABASE)
        await _migrated(url)
        yield Database(url, server)
    finally:
        await asyncio.to_thread(server.stop)


async def _migrated(url: str) -> None:
    for pause in pauses():
        try:
            async with database_errors():
                await upgrade(url, services.points)
        except DatabaseAwayError as error:
            log.warning("database_away", error=str(error), retry_in=round(pause, 1))
            await asyncio.sleep(pause)
        else:
            return


@asynccontextmanager
async def points_service(settings: PointsSettings) -> AsyncIterator[tuple[PointsService, Database]]:
    """Give the points service on its database, for a command of the command line or a process that serves."""
    async with database(settings) as books:
        service = PointsService(create_engine(books.url, name="loyalty-points", pool_size=settings.database_pool_size))
        try:
            yield service, books
        finally:
            await service.close()


def worker(points: PointsService, settings: PointsSettings) -> list[Awaitable[None]]:
    """Return what runs beside the API: the relay, and with Kafka the consumer."""
    servers = settings.kafka_bootstrap_servers
    if servers is None:
        relay = outbox.Relay(
            points.engine,
            local.LocalCarrier(points.engine, [], service="points", clock=points.clock),
            service="points",
        )
        points.committed = relay.wake
        return [relay.run()]
    relay = outbox.Relay(points.engine, outbox.KafkaCarrier(servers, service="points"), service="points")
    points.committed = relay.wake
    return [relay.run(), _consume(points, settings, servers)]


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


async def serve(app: FastAPI, settings: PointsSettings, beside: Sequence[Awaitable[None]]) -> None:
    """Serve until SIGINT or SIGTERM; whatever runs beside the API ends with it, and ends it where it fails."""
    if settings.host not in LOOPBACK:
        message = f"LOYALTY_HOST: {settings.host} is no loopback address; without API keys only this machine may ask"
        raise StartError(message)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=10,
        )
    )
    listener = _listener(server.config)
    spare_the_collector()
    tasks = [asyncio.ensure_future(each) for each in beside]
    api = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        done, _ = await asyncio.wait([api, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {api}:
            task.result()
    finally:
        server.should_exit = True
        await api
        await _end(tasks)


async def work(beside: Sequence[Awaitable[None]]) -> None:
    """Run a worker without an API until SIGINT or SIGTERM, or until one of its parts fails."""
    spare_the_collector()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    tasks = [asyncio.ensure_future(each) for each in (*beside, stopped.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _end(tasks)


def spare_the_collector() -> None:
    """Leave what stands at the start out of every collection, and collect less often.

    A batch makes tens of thousands of objects and no cycle; with the defaults half of its time went to looking for one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _listener(config: uvicorn.Config) -> socket.socket:
    try:
        return config.bind_socket()
    except SystemExit:
        message = f"LOYALTY_PORT: {config.host}:{config.port} is taken; set another, or end what listens there"
        raise StartError(message) from None


async def _end(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            log.error("part_failed", error=repr(result))
