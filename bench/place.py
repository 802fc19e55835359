"""Where it is measured: a PostgreSQL of its own, fresh databases in it, processes that end with whoever started them."""

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from services.registry import KINDS
from shared import embedded_postgres
from shared.migrations import upgrade

ROOT = Path(__file__).parents[1]
DATA = ROOT / ".data"
TEMPLATES = {f"{name}_template": kind.package for name, kind in KINDS.items()}
"""Migrated databases to copy, one of each service."""

END_SECONDS = 20


class BenchError(Exception):
    """Something was not as it must be for a figure to mean anything."""


@dataclass(frozen=True, slots=True)
class Place:
    """A PostgreSQL with its default settings (so fsync is on), and a folder that is removed afterwards."""

    folder: Path
    server: embedded_postgres.Server

    @asynccontextmanager
    async def database(self, service: str = "points") -> AsyncIterator[str]:
        """Give the URL of a fresh database of a service."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {service}_template")
        try:
            yield self.server.url_for(name)
        finally:
            await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def settle(self) -> None:
        """Have everything on disk, so that nobody pays for what an earlier round has written."""
        await self._administer("CHECKPOINT")

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.url_for("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Give a place to measure at, on the disk where the state of `make run` stands too."""
    folder = _folder()
    try:
        server = await asyncio.to_thread(embedded_postgres.start, folder / "postgres", databases=[*TEMPLATES])
        try:
            for template, package in TEMPLATES.items():
                await upgrade(server.url_for(template), package)
            yield Place(folder, server)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    DATA.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=DATA))
    folder.chmod(0o711)  # where we are root, PostgreSQL runs as another user
    return folder


@asynccontextmanager
async def process(*arguments: str, listener: socket.socket | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python module beside us and end it by its pid when we are done, or interrupted."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
        pass_fds=[] if listener is None else [listener.fileno()],
        start_new_session=True,  # Ctrl-C is for us; we end it
        limit=1 << 20,
    )
    try:
        yield child
    finally:
        await _end(child)


async def ask(module: str, question: Any) -> Any:
    """Run a module in a process of its own that reads a line of JSON and answers with one."""
    async with process(module) as child:
        said, _ = await child.communicate(json.dumps(question).encode() + b"\n")
        if child.returncode != 0:
            raise BenchError(f"{module} ended with exit code {child.returncode}")
        return json.loads(said.splitlines()[-1])


def environment() -> dict[str, str]:
    """Leave out settings of an installation: they are for its services, not for what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), timeout=END_SECONDS)
    except TimeoutError:
        child.kill()
        await child.wait()
