"""What whoever runs it on servers relies on: releases side by side, migrations beside traffic, workers that say how they are."""

import asyncpg
import pytest

from tests import plain
from tests.processes import command, loyalty, wait_until_ready
from tests.waiting import eventually

pytestmark = pytest.mark.slow


async def test_a_release_works_on_the_schema_of_a_later_one(database_url: str) -> None:
    books = await asyncpg.connect(database_url)
    await books.execute("UPDATE alembic_version SET version_num = '9999'")
    with loyalty("services", "points", "--no-worker", points_database_url=database_url) as running:
        wait_until_ready(running)
    assert command("migrate", points_database_url=database_url).returncode == 0
    assert await books.fetchval("SELECT version_num FROM alembic_version") == "9999"
    await books.close()


async def test_a_migration_that_finds_a_table_in_use_lets_go_and_tries_again(database_url: str) -> None:
    user = await asyncpg.connect(database_url)
    using = user.transaction()
    await using.start()
    await user.execute("LOCK TABLE alembic_version")
    with loyalty("migrate", points_database_url=database_url) as running:
        eventually(lambda: "migration_waits" in running.said())
        await using.rollback()
        assert running.process.wait(timeout=60) == 0
    await user.close()


def test_a_worker_alone_answers_for_its_health_where_a_port_is_set_and_for_nothing_else(database_url: str) -> None:
    with loyalty("services", "points", "--no-api", points_database_url=database_url) as running:
        wait_until_ready(running)
        assert plain.get(f"{running.url}/health/ready").json()["checks"] == {"database": "ok", "migrations": "ok"}
        assert "loyalty_outbox_oldest_seconds" in plain.get(f"{running.url}/metrics").text
        assert plain.get(f"{running.url}/v1/accounts/c-1").status_code == 404
