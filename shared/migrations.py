"""Bringing a service's database to the newest schema; each service's `env.py` is one call of `run`."""

import asyncio
import os
from pathlib import Path
from types import ModuleType

import sqlalchemy as sa
import structlog
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

log = structlog.get_logger(__name__)

LOCK_TIMEOUT = "5s"
"""A migration that waits for a lock makes everyone behind it wait, so it gives up and is tried again."""

ADVISORY_LOCK = 7_215_001
"""One migration at a time, however many processes start together."""


def run(metadata: sa.MetaData) -> None:
    """Run the migrations that alembic asks for, on the connection it was given or the one its section's URL names."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection, metadata)
        return
    url = os.environ[f"LOYALTY_{context.config.config_ini_section.upper()}_DATABASE_URL"]
    asyncio.run(_migrate_at(url, metadata))


def config(service: ModuleType) -> Config:
    """Return the alembic configuration of a service, wherever the process was started."""
    folder = Path(service.__path__[0]) / "migrations"
    made = Config()
    made.set_main_option("script_location", str(folder).replace("%", "%%"))
    return made


async def upgrade(url: str, service: ModuleType) -> None:
    """Bring the database at `url` to the service's newest revision."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, config(service))
    finally:
        await engine.dispose()


async def is_current(connection: AsyncConnection, service: ModuleType) -> bool:
    """Tell whether the database has the service's newest revision, or one of a later release, which this one can work with."""
    scripts = ScriptDirectory.from_config(config(service))
    revision = await connection.run_sync(_revision)
    return revision == scripts.get_current_head() or _is_later(revision, scripts)


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_later(revision: str | None, scripts: ScriptDirectory) -> bool:
    """What a release adds, the one before does not miss; it only does not know the name."""
    return revision is not None and revision not in {each.revision for each in scripts.walk_revisions()}


def _upgrade(connection: sa.Connection, configuration: Config) -> None:
    _take_turn(connection)
    revision = _revision(connection)
    if _is_later(revision, ScriptDirectory.from_config(configuration)):
        log.info("schema_of_a_later_release", revision=revision)
        return
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


async def _migrate_at(url: str, metadata: sa.MetaData) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.run_sync(_migrate, metadata)
    await engine.dispose()


def _take_turn(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))


def _migrate(connection: sa.Connection, metadata: sa.MetaData) -> None:
    _take_turn(connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=False,
        include_object=_is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


def _is_ours(_thing: object, name: str | None, kind: str, _reflected: object, _compared: object) -> bool:
    # the relay makes and drops a partition of the sent events for every day
    return not (kind == "table" and name is not None and name.startswith("outbox_sent_"))
