"""An import from start to end: all files are read, then grouped and matched, then booked in order."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from services.points.commands import Command, Outcome
from services.points.imports.booking import Booked, book
from services.points.imports.events import command_for
from services.points.imports.lines import LineReader, RowError
from services.points.imports.presets import Mapping, MappingError
from services.points.imports.records import FileError, Records, Unreadable
from services.points.imports.rejected import Rejected
from services.points.imports.staging import Sale, Staging, TakenBack, row_of
from services.points.service import PointsService
from shared.messaging.events import Verdict

ROWS_AT_ONCE = 5_000
BATCH = 2_000
BREATH = 25
"""After so many events the batch before, which is being booked meanwhile, gets a turn."""

Tell = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is, and of how much."""

Item = Sale | TakenBack


@dataclass(frozen=True, slots=True)
class Import:
    """What to read and how; `limit` is the largest event in bytes. Without `rejected` nothing is written beside the books."""

    files: Sequence[Path]
    mapping: Mapping
    limit: int
    rejected: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has newly booked and, in rows of the files, what it could not use; `points` before clawbacks."""

    purchases: int
    customers: int
    points: int
    refunds: int
    unmatched: int
    anonymous: int
    rejected: int
    seconds: float


def check(wanted: Import) -> None:
    """Open every file once. Raises `FileError` or `MappingError` for what can be seen without reading it all."""
    for path in wanted.files:
        with Records(path, wanted.mapping):
            pass
        if wanted.rejected is not None and wanted.rejected.exists() and wanted.rejected.samefile(path):
            raise MappingError(f"{path} is to be read; name another file with --rejected")
    if len(set(map(Path.resolve, wanted.files))) < len(wanted.files):
        raise MappingError("a file is named twice")


async def run(points: PointsService, wanted: Import, tell: Tell) -> tuple[Report, Rejected]:
    """Import, in bounded memory. Raises `FileError` before anything is booked where a file cannot be read to its end."""
    began = time.monotonic()
    with staging_errors(), Rejected(wanted.rejected, wanted.files) as rejected, Staging() as staging:
        await _read(wanted, staging, rejected, tell)
        _settle(staging, rejected, files=len(wanted.files), tell=tell)
        booked = await _Booking(points, wanted, staging, rejected, tell).run()
    counts = rejected.counts
    report = Report(
        booked.purchases,
        booked.customers,
        booked.points,
        booked.refunds,
        counts["unmatched"],
        counts["anonymous"],
        counts["rejected"],
        round(time.monotonic() - began, 2),
    )
    return report, rejected


@contextmanager
def staging_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise FileError(f"the rows cannot be sorted on disk: {error}; SQLITE_TMPDIR names another folder") from error


async def _read(wanted: Import, staging: Staging, rejected: Rejected, tell: Tell) -> None:
    sizes = [path.stat().st_size for path in wanted.files]
    for index, path in enumerate(wanted.files):
        with Records(path, wanted.mapping) as records:
            rejected.columns(index, records.columns)
            rows = _rows(records, index, wanted.mapping, staging, rejected)
            while chunk := list(islice(rows, ROWS_AT_ONCE)):
                staging.add(chunk)
                tell("reading", sum(sizes[:index]) + records.position, sum(sizes))
                await asyncio.sleep(0)  # where Ctrl-C is heard


def _rows(
    records: Records, file: int, mapping: Mapping, staging: Staging, rejected: Rejected
) -> Iterator[tuple[Any, ...]]:
    """Yield the usable rows of a file as they are staged."""
    reader = LineReader(mapping, records.columns, records.path)

    def set_aside(what: Unreadable) -> None:
        rejected.add(what.reason, file, what.line, [what.text])

    for fields in records.read(set_aside):
        try:
            line = reader.read(fields)
        except RowError as error:
            rejected.add(str(error), file, fields[-2], fields[:-2])
            if error.number is not None:
                staging.hold_back(error.number, str(error))
        else:
            yield row_of(line, file, fields)


def _settle(staging: Staging, rejected: Rejected, *, files: int, tell: Tell) -> None:
    tell("grouping", 0, 1)
    staging.group(files=files)
    for reason, row in staging.refused():
        rejected.add(reason, *row)
    for reason, row in staging.match():
        rejected.add(reason, *row)
    tell("grouping", 1, 1)


@dataclass(slots=True)
class _Booking:
    """Books in batches, one while the next is put together."""

    points: PointsService
    wanted: Import
    staging: Staging
    rejected: Rejected
    tell: Tell
    done: int = 0

    async def run(self) -> Booked:
        booked, total = Booked(), self.staging.count()
        running: asyncio.Task[list[Outcome]] | None = None
        before: list[tuple[Item, Command]] = []
        try:
            async for batch in self._batches():
                if running is not None:
                    self._count(booked, before, await running, total)
                commands = [command for _, command in batch]
                running = asyncio.create_task(book(self.points, commands, dry_run=self.wanted.dry_run))
                before = batch
            if running is not None:
                self._count(booked, before, await running, total)
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        return booked

    async def _batches(self) -> AsyncIterator[list[tuple[Item, Command]]]:
        items = self.staging.in_order()
        while chunk := list(islice(items, BATCH)):
            batch = []
            for place, item in enumerate(chunk):
                command = command_for(item, now=self.points.clock(), limit=self.wanted.limit)
                if isinstance(command, Verdict):
                    self._reject(item, command.code, command.detail)
                else:
                    batch.append((item, command))
                if place % BREATH == 0:
                    await asyncio.sleep(0)
            yield batch

    def _count(
        self, booked: Booked, batch: list[tuple[Item, Command]], outcomes: Sequence[Outcome], total: int
    ) -> None:
        for (item, command), outcome in zip(batch, outcomes, strict=True):
            booked.count(command, outcome)
            if outcome.status == "refused":
                self._reject(item, outcome.code, outcome.detail)
        self.done += len(batch)
        self.tell("booking", self.done, total)

    def _reject(self, item: Item, code: str | None, detail: str | None) -> None:
        for row in self.staging.rows(item):
            self.rejected.add(f"{code}: {detail}", *row)
