"""The embedded PostgreSQL lives through what a workstation does to it: restarts, kills, two users at once, odd paths."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from shared import embedded_postgres
from shared.embedded_postgres import EmbeddedPostgresError, Server

HOLDER = """
import sys, time
from pathlib import Path
from shared import embedded_postgres
server = embedded_postgres.start(Path(sys.argv[1]), databases=["loyalty_points"])
try:
    print(server.url_for("loyalty_points"), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert any(line.startswith("postgresql://") for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.communicate()


def postmaster(directory: Path) -> psutil.Process:
    return psutil.Process(int((directory / "cluster" / "postmaster.pid").read_text().split()[0]))


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def query(server: Server, statement: str) -> object:
    connection = await asyncpg.connect(server.url_for("loyalty_points"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place outside of pytest's own folder, which another run of it closes to the server's user."""
    with tempfile.TemporaryDirectory(prefix="loyalty-tests-") as folder:
        yield Path(folder) / "postgres"
        with embedded_postgres.start(Path(folder) / "postgres"):
            """Whatever the test left running is stopped by its last user."""


async def test_what_was_written_is_there_after_a_restart(directory: Path) -> None:
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        await query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        assert await query(server, "SELECT answer FROM kept") == 42


async def test_the_last_user_stops_it_and_not_the_first(directory: Path) -> None:
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        with embedded_postgres.start(directory):
            pass
        assert await query(server, "SELECT 1") == 1
        process = postmaster(directory)
    assert is_gone(process)


async def test_a_killed_server_is_started_again_with_what_was_committed(directory: Path) -> None:
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        await query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        postmaster(directory).kill()
        server.ensure_running()
        assert await query(server, "SELECT answer FROM kept") == 42


async def test_a_new_process_takes_over_from_a_killed_server(directory: Path) -> None:
    with another_process(directory):
        postmaster(directory).kill()
        with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
            assert await query(server, "SELECT 1") == 1


async def test_a_killed_user_leaves_a_server_that_the_next_one_uses_and_stops(directory: Path) -> None:
    with another_process(directory):
        before = postmaster(directory)
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        assert postmaster(directory).pid == before.pid
        assert await query(server, "SELECT 1") == 1
    assert is_gone(before)


async def test_an_interrupt_at_the_terminal_does_not_reach_it(directory: Path) -> None:
    with another_process(directory) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "interrupted\n"
        with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
            assert await query(server, "SELECT 1") == 1


async def test_processes_that_start_at_once_share_one_server(directory: Path) -> None:
    servers: list[Server] = []
    threads = [
        threading.Thread(
            target=lambda: servers.append(embedded_postgres.start(directory, databases=["loyalty_points"]))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [await query(server, "SELECT 1") for server in servers] == [1, 1, 1, 1]
    for server in servers:
        server.stop()
    assert not (directory / "cluster" / "postmaster.pid").exists()


@pytest.mark.parametrize("name", ["with space", "quote'd, comma", "long" * 30])
async def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    with embedded_postgres.start(tmp_path / name, databases=["loyalty_points"]) as server:
        assert await query(server, "SELECT 1") == 1
    assert not list(server.socket_directory.glob(".s.PGSQL*"))
    assert server.socket_directory.exists() == (server.socket_directory.name == "cluster")


async def test_a_process_number_that_somebody_else_has_now_is_not_the_server(directory: Path) -> None:
    with embedded_postgres.start(directory):
        lines = (directory / "cluster" / "postmaster.pid").read_text().splitlines()
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        (directory / "cluster" / "postmaster.pid").write_text("\n".join([str(sleeper.pid), *lines[1:]]) + "\n")
        with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
            assert await query(server, "SELECT 1") == 1
    finally:
        sleeper.kill()
        sleeper.wait()


async def test_an_interrupted_first_start_is_repeated(directory: Path) -> None:
    (directory / "cluster.unfinished").mkdir(parents=True)
    (directory / "cluster.unfinished" / "PG_VERSION").write_text("18\n")
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        assert await query(server, "SELECT 1") == 1


async def test_variables_of_the_environment_do_not_bend_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "6543",
        "PGUSER": "nobody-we-know",
        "PGDATABASE": "elsewhere",
        "PGDATA": "/x",
    }.items():
        monkeypatch.setenv(name, value)
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        assert await query(server, "SELECT current_user || ' ' || current_database()") == "postgres loyalty_points"


async def test_it_commits_to_disk(directory: Path) -> None:
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await query(server, f"SHOW {setting}") == "on"


async def test_a_server_that_dies_beside_its_service_comes_back(directory: Path) -> None:
    with embedded_postgres.start(directory, databases=["loyalty_points"]) as server:
        watch = asyncio.create_task(server.keep_running(interval_seconds=0.05))
        dead = postmaster(directory)
        dead.kill()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if embedded_postgres._answers(directory):
                break
        watch.cancel()
        assert await query(server, "SELECT 1") == 1


def test_a_setting_it_does_not_understand_is_told_in_its_own_words(directory: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="shared_buffers"):
        embedded_postgres.start(directory, settings={"shared_buffers": "plenty"})
