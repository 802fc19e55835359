"""How fast purchases pass through the referrals service, of which few matter: beside a bare copy of the same events."""

import statistics
import uuid
from dataclasses import dataclass

import asyncpg

from bench.place import BenchError, Place
from bench.report import Bar, Line, Section, Tell, neighbour_ratio
from bench.streams import CUSTOMERS, PARTITIONS, Stream, count, floor, fresh, prepare, processor, speeds
from tests import brokers


@dataclass(frozen=True, slots=True)
class Size:
    """Events on the topic, and rounds of floor and ours."""

    rounds: int = 3
    events: int = 100_000


QUICK = Size(rounds=1, events=40_000)

FRIENDS = CUSTOMERS // 20
"""So many customers have claimed a code: their purchases are those that matter."""

CLAIMED = """
INSERT INTO referral (referral_id, code, friend_id, referrer_id, programme_version, source, claimed_at, received_at, status,
  qualifies_until)
SELECT 'claim ' || n, 'CODE' || n % 100, 'c-' || n, 'referrer ' || n % 100, 1, 'rest', now() - interval '1 hour', now(),
  'claimed', now() + interval '90 days' FROM generate_series(0, $1::int - 1) AS n"""

KNOWN = """
INSERT INTO customer (customer_id) SELECT 'referrer ' || n FROM generate_series(0, 99) AS n
 UNION ALL SELECT 'c-' || n FROM generate_series(0, $1::int - 1) AS n"""


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure the consumer; the broker is our own, whatever the environment names."""
    section = Section("Purchases through the referrals service, 5 % of them of friends, beside the same floor")
    lacking = brokers.missing_tools()
    if lacking:
        section.lines.append(Line(f"not measured: a Kafka broker needs {' and '.join(lacking)}"))
        return section
    tell("referrals, Kafka starts")
    with brokers.running() as broker:
        stream = Stream(broker.bootstrap_servers, f"bench-{uuid.uuid4().hex[:8]}", size.events)
        await prepare(stream)
        floors, ours = [], []
        for number in range(size.rounds):
            tell(f"referrals, round {number + 1} of {size.rounds}")
            floors.append(await floor(place, stream))
            async with fresh(place, "referrals") as url:
                await _have_friends(url)
                ours.append(await stream.run("ours", url, service="referrals"))
                await _check(url, stream)
        floors.append(await floor(place, stream))
    mine, theirs = speeds(ours, size.events), speeds(floors, size.events)
    ratio = neighbour_ratio(mine, theirs)
    section.figures |= {
        "referrals_ratio": ratio,
        "referrals_per_second": statistics.median(mine),
        "referrals_processor_microseconds": processor(ours, size.events),
    }
    what = f"{size.events:,} events of {CUSTOMERS:,} customers, {PARTITIONS} partitions"
    passed, copied = (f"{statistics.median(each):,.0f}/s" for each in (mine, theirs))
    section.lines.append(Line(what, passed, copied, ratio, Bar(goal=0.50, least=0.40)))
    return section


async def _have_friends(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(KNOWN, FRIENDS)
    await connection.execute(CLAIMED, FRIENDS)
    await connection.close()


async def _check(url: str, stream: Stream) -> None:
    if await count(url, "purchase") != stream.events or await count(url, "dead_letter"):
        raise BenchError("every event should be a purchase, and none a dead letter")
    if await count(url, "referral WHERE status = 'qualified'") < FRIENDS * 0.8:
        raise BenchError("most friends have bought, so their referrals should have qualified")
