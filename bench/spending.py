"""How fast points are spent: `POST /v1/redemptions` beside an endpoint with the same models that does nothing."""

from dataclasses import dataclass
from random import Random
from typing import Any

from bench.growth import ENTRIES_EACH, fill
from bench.place import BenchError, Place, ask
from bench.posting import Ports, Rounds, middle, served, shown
from bench.report import Bar, Line, Section, Tell

PATH = "/v1/redemptions"
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Size:
    """Rounds of floor and ours, the redemptions of each, and the entries of the ledger that they spend from."""

    rounds: int = 5
    requests: int = 6_000
    entries: int = 100_000


QUICK = Size(rounds=2, requests=2_000)


async def measure(place: Place, size: Size, tell: Tell) -> Section:
    """Measure redemptions of customers with ten lots each, one worker process."""
    section = Section(f"POST {PATH}, one worker process, beside an endpoint that does nothing")
    async with place.database() as url:
        tell(f"redemptions, a ledger of {size.entries:,} entries is filled")
        await fill(url, size.entries)
        async with served(url) as ports:
            rounds = await _rounds(ports, size, tell)
    ours, floor, ratio = middle(rounds.ours), middle(rounds.floor), rounds.ratio()
    section.figures |= {f"redeem_ratio_{CONNECTIONS}": ratio}
    section.figures |= {f"redeem_{name}_{CONNECTIONS}": value for name, value in ours.items()}
    section.figures |= {f"redeem_floor_{name}_{CONNECTIONS}": value for name, value in floor.items()}
    what = f"{CONNECTIONS} connections, customers with {ENTRIES_EACH} lots"
    section.lines.append(Line(what, shown(ours), shown(floor), ratio, Bar(goal=0.4, least=0.25)))
    return section


async def _rounds(ports: Ports, size: Size, tell: Tell) -> Rounds:
    rounds, random = Rounds(), Random(5)
    for port in (ports.floor, ports.ours):
        await _load(port, size, random)
    for number in range(size.rounds):
        tell(f"redemptions, round {number + 1} of {size.rounds}")
        rounds.floor.append(await _load(ports.floor, size, random))
        rounds.ours.append(await _load(ports.ours, size, random))
    rounds.floor.append(await _load(ports.floor, size, random))
    return rounds


async def _load(port: int, size: Size, random: Random) -> dict[str, Any]:
    customers = [f"c-{random.randrange(size.entries // ENTRIES_EACH)}" for _ in range(size.requests)]
    question = {
        "port": port,
        "path": PATH,
        "connections": CONNECTIONS,
        "bodies": [{"customer_id": customer, "points": 1} for customer in customers],
        "with_keys": True,
    }
    summary: dict[str, Any] = await ask("bench.load", question)
    if summary["statuses"] != {"201": size.requests}:
        raise BenchError(f"every redemption should be answered with 201; statuses: {summary['statuses']}")
    return summary
