"""Real PostgreSQL for every test: one server for the run, a migrated template of each service, a copy of one for each test."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

import services.notifications
import services.points
import services.referrals
from shared import embedded_postgres
from shared.database import create_engine
from shared.migrations import upgrade
from tests import folders
from tests.brokers import broker, kafka_fixture  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def server() -> Iterator[embedded_postgres.Server]:
    # not in pytest's own folder: a second run of it takes away there what the server's user was let through with
    with tempfile.TemporaryDirectory(prefix="loyalty-tests-", dir=folders.parent()) as folder:
        # a test that ends the operating system is not among them, so waiting for the disk would prove nothing
        settings = {"fsync": "off"}
        with embedded_postgres.start(Path(folder), settings=settings) as running:
            yield running


async def _migrated(server: embedded_postgres.Server, service: ModuleType) -> str:
    name = f"{service.__name__.rpartition('.')[2]}_template"
    server.ensure_database(name)
    await upgrade(server.url_for(name), service)
    return name


@pytest.fixture(scope="session")
async def template(server: embedded_postgres.Server) -> str:
    """Of the points service, which most tests are of."""
    return await _migrated(server, services.points)


@pytest.fixture(scope="session")
async def referrals_template(server: embedded_postgres.Server) -> str:
    return await _migrated(server, services.referrals)


@pytest.fixture(scope="session")
async def notifications_template(server: embedded_postgres.Server) -> str:
    return await _migrated(server, services.notifications)


@asynccontextmanager
async def fresh_database(server: embedded_postgres.Server, template: str) -> AsyncIterator[str]:
    """A copy of the migrated template, dropped afterwards whoever is still connected."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(server.url_for("postgres"))
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url_for(name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def database_url(server: embedded_postgres.Server, template: str) -> AsyncIterator[str]:
    async with fresh_database(server, template) as url:
        yield url


@pytest.fixture
async def referrals_url(server: embedded_postgres.Server, referrals_template: str) -> AsyncIterator[str]:
    async with fresh_database(server, referrals_template) as url:
        yield url


@pytest.fixture
async def notifications_url(server: embedded_postgres.Server, notifications_template: str) -> AsyncIterator[str]:
    async with fresh_database(server, notifications_template) as url:
        yield url


@pytest.fixture(scope="module")
async def module_database_url(server: embedded_postgres.Server, template: str) -> AsyncIterator[str]:
    async with fresh_database(server, template) as url:
        yield url


@pytest.fixture(scope="module")
async def module_referrals_url(server: embedded_postgres.Server, referrals_template: str) -> AsyncIterator[str]:
    async with fresh_database(server, referrals_template) as url:
        yield url


@pytest.fixture(scope="module")
async def module_notifications_url(server: embedded_postgres.Server, notifications_template: str) -> AsyncIterator[str]:
    async with fresh_database(server, notifications_template) as url:
        yield url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(database_url, name="tests", pool_size=5)
    yield made
    await made.dispose()
