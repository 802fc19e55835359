"""How fast events become points: the real consumer on a real Kafka beside a bare copy of the same events."""

import statistics
import uuid
from dataclasses import dataclass
from typing import Any

from bench.place import BenchError, Place
from bench.report import Bar, Line, Section, Tell, neighbour_ratio
from bench.streams import CUSTOMERS, PARTITIONS, Stream, count, floor, fresh, prepare, processor, speeds
from tests import brokers


@dataclass(frozen=True, slots=True)
class Size:
    """Events on the topic, and rounds of floor and ours."""

    rounds: int = 3
    events: int = 120_000


QUICK = Size(rounds=1, events=40_000)


@dataclass(slots=True)
class Rounds:
    """What the processes answered, and how many events stood in the outbox."""

    floor: list[dict[str, Any]]
    ours: list[dict[str, Any]]
    relay: list[dict[str, Any]]
    owed: int = 0


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure awards from Kafka and the relay back to it; the broker is our own, whatever the environment names."""
    section = Section("Awards from Kafka, beside the same events validated and copied into one table")
    lacking = brokers.missing_tools()
    if lacking:
        section.lines.append(Line(f"not measured: a Kafka broker needs {' and '.join(lacking)}"))
        return section
    tell("awards, Kafka starts")
    with brokers.running() as broker:
        stream = Stream(broker.bootstrap_servers, f"bench-{uuid.uuid4().hex[:8]}", size.events)
        tell(f"awards, {size.events:,} events are put on a topic")
        await prepare(stream)
        rounds = await _rounds(place, stream, size, tell)
        relayed = await _relayed(place, stream, tell)
    _add_awards(section, rounds, size)
    _add_relay(section, rounds, relayed, size)
    return section


async def _rounds(place: Place, stream: Stream, size: Size, tell: Tell) -> Rounds:
    """Measure floor, ours, floor, ours, …, floor; each in a process and a database of its own."""
    rounds = Rounds([], [], [])
    for number in range(size.rounds):
        tell(f"awards, round {number + 1} of {size.rounds}: floor")
        rounds.floor.append(await floor(place, stream))
        async with fresh(place) as url:
            tell(f"awards, round {number + 1} of {size.rounds}: ours")
            rounds.ours.append(await stream.run("ours", url))
            rounds.owed = await _check(url, stream)
            tell(f"awards, round {number + 1} of {size.rounds}: relay")
            rounds.relay.append(await stream.run("relay", url))
            await _check_sent(url, rounds.owed)
    rounds.floor.append(await floor(place, stream))
    return rounds


async def _relayed(place: Place, stream: Stream, tell: Tell) -> dict[str, Any]:
    """Measure both at once, as a worker process does them."""
    tell("awards and relay in one process")
    async with fresh(place) as url:
        answer = await stream.run("ours_relayed", url)
        await _check_sent(url, await count(url, "outbox_sent"))
        return answer


async def _check(url: str, stream: Stream) -> int:
    """Return how many events are owed, once every purchase is seen to be awarded."""
    if await count(url, "purchase") != stream.events or await count(url, "dead_letter"):
        raise BenchError("every event should be a purchase, and none a dead letter")
    return await count(url, "outbox")


async def _check_sent(url: str, owed: int) -> None:
    if await count(url, "outbox") or await count(url, "outbox_sent") != owed:
        raise BenchError("every event owed should have left")


def _add_awards(section: Section, rounds: Rounds, size: Size) -> None:
    ours, floors = speeds(rounds.ours, size.events), speeds(rounds.floor, size.events)
    ratio = neighbour_ratio(ours, floors)
    section.figures |= {
        "award_ratio": ratio,
        "awards_per_second": statistics.median(ours),
        "award_floor_per_second": statistics.median(floors),
        "award_processor_microseconds": processor(rounds.ours, size.events),
        "award_floor_processor_microseconds": processor(rounds.floor, size.events),
    }
    what = f"{size.events:,} events of {CUSTOMERS:,} customers, {PARTITIONS} partitions"
    mine, theirs = (f"{statistics.median(each):,.0f}/s" for each in (ours, floors))
    section.lines.append(Line(what, mine, theirs, ratio, Bar(goal=0.40, least=0.25)))


def _add_relay(section: Section, rounds: Rounds, relayed: dict[str, Any], size: Size) -> None:
    """The relay keeps up where it publishes events as fast as awards make them."""
    speed = statistics.median(speeds(rounds.relay, rounds.owed))
    made = statistics.median(speeds(rounds.ours, rounds.owed))
    both = size.events / relayed["seconds"]
    section.figures |= {
        "relay_events_per_second": speed,
        "relay_ratio": speed / made,
        "awards_relayed_per_second": both,
    }
    section.lines += [
        Line("relay, events a second, beside those that awards make", f"{speed:,.0f}/s", f"{made:,.0f}/s", speed / made,
             Bar(goal=1, least=1)),
        Line("awards and relay at once in one process, until the last event has left", f"{both:,.0f}/s"),
    ]  # fmt: skip
