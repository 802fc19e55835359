"""Ways to write a shop's file and to import it, in one line; the command as a process."""

import json
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.imports.presets import mapping
from services.points.imports.run import Import, Report, check, run
from services.points.service import PointsService
from tests.processes import COMMAND, environment

SHOP = {
    "customer": "customer",
    "invoice": "invoice",
    "sku": "sku",
    "quantity": "quantity",
    "price": "price",
    "occurred_at": "date",
    "shop_id": "shop",
    "currency": "EUR",
}
HEADER = "invoice,date,customer,sku,quantity,price"

PATIENCE_SECONDS = 280
"""For an import that runs as a process."""

Write = Callable[..., Path]
ImportFiles = Callable[..., Awaitable[Report]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows of a shop's file under its header."""

    def written(*rows: str, name: str = "sales.csv", header: str = HEADER) -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return written


@pytest.fixture
def rejected(tmp_path: Path) -> Path:
    return tmp_path / "rejected.csv"


@pytest.fixture
def import_files(engine: AsyncEngine, rejected: Path) -> ImportFiles:
    """Import files into the test's database, mapped as `SHOP` says unless `given` says otherwise."""

    async def imported(*files: Path, dry_run: bool = False, preset: str | None = None, **given: Any) -> Report:
        service = PointsService(engine)
        said = given if preset else SHOP | given
        wanted = Import(files, mapping(preset, said), 1 << 18, None if dry_run else rejected, dry_run)
        check(wanted)
        return (await run(service, wanted, lambda *_: None))[0]

    return imported


@contextmanager
def importing(*arguments: object, url: str) -> Iterator[subprocess.Popen[str]]:
    words = [COMMAND, "import", *map(str, arguments), "--json"]
    settings = environment(points_database_url=url, log_level="warning")
    with subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def booked_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    booked: dict[str, Any] = json.loads(said.splitlines()[-1])
    return booked
