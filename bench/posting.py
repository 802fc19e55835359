"""How fast tills are answered: `POST /v1/purchases` beside an endpoint with the same models that does nothing."""

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from bench import load
from bench.place import BenchError, Place, ask, process
from bench.purchases import bodies
from bench.report import Bar, Line, Section, Tell, neighbour_ratio

PATH = "/v1/purchases"
CUSTOMERS = 20_000
UP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Size:
    """Rounds of floor and ours, and the requests of each; `alone` is for one connection."""

    rounds: int = 5
    requests: int = 8_000
    alone: int = 1_500


QUICK = Size(rounds=2, requests=3_000, alone=500)


@dataclass(frozen=True, slots=True)
class Ports:
    floor: int
    ours: int
    constant: int


@dataclass(slots=True)
class Rounds:
    """Summaries of the load client, in the order in which they were measured."""

    floor: list[dict[str, Any]] = field(default_factory=list)
    ours: list[dict[str, Any]] = field(default_factory=list)

    def ratio(self) -> float:
        speeds = [[each["per_second"] for each in side] for side in (self.ours, self.floor)]
        return neighbour_ratio(*speeds)


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure the till's endpoint, one worker process each."""
    section = Section(f"POST {PATH}, one worker process, beside an endpoint that does nothing")
    async with place.database() as url, served(url) as ports:
        await _warm_up(ports, size)
        for connections in (32, 128):
            tell(f"POST, {connections} connections")
            _add_load(section, connections, await _rounds(ports, size, connections))
        tell("POST, one hot customer")
        await _add_hot(section, ports, size)
        tell("POST, one connection alone")
        await _add_alone(section, ports, size, url)
        tell("POST, the client's own ceiling")
        await _add_ceiling(section, ports, size)
    return section


@asynccontextmanager
async def served(url: str) -> AsyncIterator[Ports]:
    async with contextlib.AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(_server(*what)) for what in (("floor",), ("ours", url), ("constant",))]
        yield Ports(*ports)


@asynccontextmanager
async def _server(*what: str) -> AsyncIterator[int]:
    """Serve in a process of its own on a free port; the socket listens before the process is there, so nobody waits twice."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        async with process("bench.servers", str(listener.fileno()), *what, listener=listener) as child:
            if child.stdout is None or not await asyncio.wait_for(child.stdout.readline(), UP_SECONDS):
                raise BenchError(f"the server of {what[0]} did not start")
            yield int(listener.getsockname()[1])


async def _load(port: int, count: int, connections: int, *, customers: int = CUSTOMERS) -> dict[str, Any]:
    question = {
        "port": port,
        "path": PATH,
        "connections": connections,
        "bodies": bodies(count, customers=customers),
    }
    summary: dict[str, Any] = await ask("bench.load", question)
    if summary["statuses"] != {"201": count}:
        raise BenchError(f"{count} requests should be answered with 201; statuses: {summary['statuses']}")
    return summary


async def _warm_up(ports: Ports, size: Size) -> None:
    for port in (ports.floor, ports.ours):
        await _load(port, size.requests // 2, 32)


async def _rounds(ports: Ports, size: Size, connections: int) -> Rounds:
    rounds = Rounds()
    for _ in range(size.rounds):
        rounds.floor.append(await _load(ports.floor, size.requests, connections))
        rounds.ours.append(await _load(ports.ours, size.requests, connections))
    rounds.floor.append(await _load(ports.floor, size.requests, connections))
    return rounds


def _add_load(section: Section, connections: int, rounds: Rounds) -> None:
    ours, floor, ratio = middle(rounds.ours), middle(rounds.floor), rounds.ratio()
    section.figures |= {f"post_ratio_{connections}": ratio}
    section.figures |= {f"post_{name}_{connections}": value for name, value in ours.items()}
    section.figures |= {f"post_floor_{name}_{connections}": value for name, value in floor.items()}
    section.lines.append(
        Line(f"{connections} connections", shown(ours), shown(floor), ratio, Bar(goal=0.45, least=0.30))
    )


def middle(summaries: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in summaries) for name in ("per_second", "p50_ms", "p99_ms")}


def shown(summary: dict[str, float]) -> str:
    return f"{summary['per_second']:,.0f}/s  p50 {summary['p50_ms']:.2f} ms  p99 {summary['p99_ms']:.1f} ms"


async def _add_hot(section: Section, ports: Ports, size: Size) -> None:
    rounds = Rounds()
    for _ in range(size.rounds):
        rounds.floor.append(await _load(ports.ours, size.requests, 32))
        rounds.ours.append(await _load(ports.ours, size.requests, 32, customers=1))
    hot, spread = middle(rounds.ours), middle(rounds.floor)
    section.figures |= {"post_hot_ratio_32": rounds.ratio(), "post_hot_per_second_32": hot["per_second"]}
    bar = Bar(goal=0.7, least=0.7)
    section.lines.append(Line("one hot customer, beside many (32)", shown(hot), shown(spread), rounds.ratio(), bar))


async def _add_alone(section: Section, ports: Ports, size: Size, url: str) -> None:
    """Take turns, so that a disk that is busy for a while is so for all three."""
    ours, floor, transactions = [], [], []
    for _ in range(3):
        floor.append(await _load(ports.floor, size.alone, 1))
        ours.append(await _load(ports.ours, size.alone, 1))
        transactions.append(await _transaction_ms(url, size.alone))
    mine, theirs, transaction = middle(ours), middle(floor), statistics.median(transactions)
    section.figures |= {"post_p50_ms_1": mine["p50_ms"], "post_p99_ms_1": mine["p99_ms"]}
    section.figures |= {"floor_p50_ms_1": theirs["p50_ms"], "transaction_p50_ms": transaction}
    bar = Bar(goal=1.3, least=1.3, down=True, unit=" ms")
    section.lines += [
        Line("one connection alone, p50", shown(mine), shown(theirs), mine["p50_ms"], bar),
        Line("a transaction of one row, fsynced, p50", beside=f"{transaction:.2f} ms"),
    ]


async def _transaction_ms(url: str, count: int) -> float:
    """Return the median of what PostgreSQL itself needs to have one row on disk."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS bench_row (number bigint)")
        insert = await connection.prepare("INSERT INTO bench_row VALUES ($1)")
        taken = []
        for number in range(count):
            began = time.perf_counter()
            await insert.fetch(number)
            taken.append(time.perf_counter() - began)
    finally:
        await connection.close()
    return statistics.median(taken) * 1000


async def _add_ceiling(section: Section, ports: Ports, size: Size) -> None:
    section.figures["client"] = load.NAME
    section.lines.append(Line(f"load client: {load.NAME}"))
    for connections in (32, 128):
        summary = await _load(ports.constant, size.requests * 2, connections)
        section.figures[f"client_ceiling_{connections}"] = summary["per_second"]
        what = f"the load client's own ceiling, {connections} connections"
        section.lines.append(Line(what, beside=f"{summary['per_second']:,.0f}/s"))
