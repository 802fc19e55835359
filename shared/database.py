"""The way to PostgreSQL: engines, transactions with their retries, and what a database error means."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Result = TypeVar("Result")

UNIQUE = "23505"
COLLISIONS = frozenset({UNIQUE, "40001", "40P01", "55P03"})
"""Another transaction was first (unique key, serialisation, deadlock, lock time-out): the same work again sees it."""

AWAY = ("08", "53", "57P", "58")
"""SQLSTATE classes of a server that can't be reached, is full, is shutting down or has lost its disk."""

BROKEN = (
    DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError
)  # fmt: skip
"""All that a statement may raise; the driver's own confusion comes from a server that died under it."""

ATTEMPTS = 8


class DatabaseAwayError(Exception):
    """PostgreSQL can't be reached or can't work now; nothing was committed, the same call may work later."""


class UnusableError(Exception):
    """PostgreSQL refuses this very content; the same call will never work."""


BY_KEY = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""For connections whose statements look rows up by their keys: a plan that was made while the tables were empty stays
for as long as the connection, and would read them whole when they have grown."""


def create_engine(url: str, *, name: str, pool_size: int = 10, reporting: bool = False) -> AsyncEngine:
    """`name` appears as `application_name` in `pg_stat_activity`; `reporting` is for statements that read whole tables."""
    settings = {"application_name": name, "jit": "off", "timezone": "UTC", "lock_timeout": "30s"}
    if not reporting:
        settings |= BY_KEY
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # no message shows what a customer bought
        connect_args={"server_settings": settings, "timeout": 10},
    )
    event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    return engine


def _replace_if_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool connect anew: of what breaks in statements on the driver itself the toolkit hears nothing."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def fetch(connection: AsyncConnection, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
    """Run a set-based statement with `$1` arguments on the driver itself, in the connection's transaction.

    Half the time of a round trip through the toolkit (84 against 163 microseconds); see docs/decisions.
    """
    driver, adapter = connection.info.get("driver") or await _driver(connection)
    try:
        if not driver.is_in_transaction():
            # the toolkit sends BEGIN with its own first statement only; without it each of ours would commit by itself
            await _begin(adapter)
        rows: Sequence[asyncpg.Record] = await driver.fetch(statement, *arguments)
    except asyncpg.InternalClientError:
        # the server died in the middle of an answer, and the driver takes the connection for a living one
        driver.terminate()
        raise
    except asyncio.CancelledError:
        # the server may have begun what nobody here knows of: whoever had this connection next would be told of a commit
        # that never was
        driver.terminate()
        await connection.invalidate()
        raise
    return rows


async def _begin(adapter: Any) -> None:
    try:
        await adapter._start_transaction()  # noqa: SLF001 - it has no public name
    except adapter.dbapi.Error as error:
        raise error.__cause__ or error from None


async def _driver(connection: AsyncConnection) -> tuple[Any, Any]:
    raw = await connection.get_raw_connection()
    found = raw.driver_connection, raw.dbapi_connection
    connection.info["driver"] = found
    return found


def sqlstate(error: BaseException) -> str | None:
    """The five-character code of a PostgreSQL error, whoever wrapped it."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None)


def _is_away(error: Exception) -> bool:
    state = sqlstate(error)
    if state is not None:
        return state.startswith(AWAY)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error.orig, OSError) or "connection" in str(error.orig)
    return isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError)


@asynccontextmanager
async def database_errors() -> "AsyncIterator[None]":
    """Tell a database that is away from one that refuses the content; everything else passes through."""
    try:
        yield
    except BROKEN as error:
        if _is_away(error):
            raise DatabaseAwayError(str(error)) from error
        state = sqlstate(error)
        if state is not None and state.startswith(("22", "23")):
            raise UnusableError(str(error)) from error
        raise


async def transact(engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Run `work` in one transaction and commit; again from the start where another transaction was first.

    Raises `DatabaseAwayError` or `UnusableError`; in both cases nothing was committed by this call, except that a
    connection lost during COMMIT leaves that open: the permanent keys make the repeat safe.
    """
    for attempt in range(ATTEMPTS):
        try:
            async with database_errors_unless_collision(), engine.begin() as connection:
                return await work(connection)
        except CollisionError as error:
            if attempt == ATTEMPTS - 1:
                # a key that is taken every time is in the content; a lock may be free later
                kind = UnusableError if sqlstate(error.__cause__ or error) == UNIQUE else DatabaseAwayError
                raise kind(str(error)) from error
            await asyncio.sleep(random.random() * 0.01 * 2**attempt)  # noqa: S311 - spreads retries, keeps no secret
    raise AssertionError


class CollisionError(Exception):
    """Another transaction was first; the same work again will see what it did."""


@asynccontextmanager
async def database_errors_unless_collision() -> "AsyncIterator[None]":
    """As `database_errors`, with collisions told apart."""
    async with database_errors():
        try:
            yield
        except (DBAPIError, asyncpg.PostgresError) as error:
            if sqlstate(error) in COLLISIONS:
                raise CollisionError(str(error)) from error
            raise
