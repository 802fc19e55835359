"""Points are spent by real processes: many tills at once, and holds while the process is killed at every step."""

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import asyncpg
import httpx
import pytest

from tests import plain
from tests.processes import Running, command, loyalty, wait_until_ready
from tests.waiting import eventually

pytestmark = pytest.mark.slow

TILLS, POINTS = 24, 10
HOLD_SECONDS = 20

Ask = Callable[[httpx.Client, int], httpx.Response]


def asked(running: Running, path: str, body: dict[str, object], key: str) -> Ask:
    return lambda client, till: client.post(
        f"{running.url}/v1/{path}", json=body, headers={"Idempotency-Key": f"{key}-{till}"}
    )


def at_once(asks: list[Ask]) -> list[httpx.Response | None]:
    """Ask for all tills at the same time; none where the answer was lost."""

    def ask(till: int) -> httpx.Response | None:
        try:
            with httpx.Client(verify=plain.NO_CERTIFICATES, timeout=20) as client:
                return asks[till](client, till)
        except httpx.TransportError:
            return None

    with ThreadPoolExecutor(TILLS) as pool:
        return list(pool.map(ask, range(len(asks))))


def killed_amid(running: Running, asks: list[Ask]) -> None:
    """Ask, and end the process as a power cut would while it answers."""
    cut = threading.Timer(random.Random(7).uniform(0.01, 0.06), running.kill)
    cut.start()
    at_once(asks)
    cut.join()


def test_holds_that_a_power_cut_interrupts_at_every_step_leave_nothing_held(database_url: str) -> None:
    ids: dict[int, str] = {}
    steps: list[Callable[[Running], list[Ask]]] = [
        lambda it: [asked(it, "adjustments", {"customer_id": "c-1", "points": 1_000, "reason": "start"}, "start")],
        lambda it: (
            [asked(it, "redemptions", {"customer_id": "c-1", "points": POINTS, "hold_seconds": HOLD_SECONDS}, "hold")]
            * TILLS
        ),
        lambda it: [asked(it, f"redemptions/{ids[till]}/capture", {"points": 4}, "take") for till in range(8)],
        lambda it: [asked(it, f"redemptions/{ids[till]}/release", {}, "free") for till in range(8, 16)],
        lambda it: [asked(it, f"redemptions/{ids[till]}/reverse", {"reason": "returned"}, "undo") for till in range(8)],
    ]
    with loyalty("services", "points", "--no-worker", points_database_url=database_url) as first:
        wait_until_ready(first)
        assert plain.post(f"{first.url}/v1/accounts", json={"customer_id": "c-1"}).status_code == 201
    for step in steps:
        with loyalty("services", "points", "--no-worker", points_database_url=database_url) as running:
            wait_until_ready(running)
            killed_amid(running, step(running))
        with loyalty("services", "points", "--no-worker", points_database_url=database_url) as running:
            wait_until_ready(running)
            answers = at_once(step(running))
            again = at_once(step(running))
            assert [each and each.content for each in answers] == [each and each.content for each in again]
            for till, answer in enumerate(answers):
                assert answer is not None
                if "redemption_id" in answer.json():
                    ids.setdefault(till, answer.json()["redemption_id"])
    eventually(lambda: settled(database_url) == (1_000, 0))
    verified = command("verify", points_database_url=database_url)
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_twenty_tills_spend_100_each_from_1000_at_any_number_of_connections(database_url: str, processes: int) -> None:
    with ExitStack() as stack:
        served = [
            stack.enter_context(loyalty("services", "points", "--no-worker", points_database_url=database_url))
            for _ in range(processes)
        ]
        for each in served:
            wait_until_ready(each)
        for connections in (1, 4, 16):
            customer = f"c-{connections}"
            plain.post(f"{served[0].url}/v1/accounts", json={"customer_id": customer})
            credit = {"customer_id": customer, "points": 1_000, "reason": "start"}
            plain.post(f"{served[0].url}/v1/adjustments", json=credit, headers={"Idempotency-Key": customer})
            codes = spent(served, customer, connections)
            assert sorted(codes) == [201] * 10 + [409] * 10
    assert command("verify", points_database_url=database_url).returncode == 0


def spent(served: list[Running], customer: str, connections: int) -> list[int]:
    """Have twenty tills spend at once over so many connections to each process."""
    limits = httpx.Limits(max_connections=connections)
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        clients = [
            stack.enter_context(httpx.Client(verify=plain.NO_CERTIFICATES, limits=limits, timeout=30)) for _ in served
        ]

        def spend(till: int) -> int:
            place = till % len(served)
            body: dict[str, object] = {"customer_id": customer, "points": 100}
            return asked(served[place], "redemptions", body, customer)(clients[place], till).status_code

        return list(pool.map(spend, range(20)))


def settled(database_url: str) -> tuple[int, int]:
    """What is available and held once the job has looked: holds that nobody ended have timed out by then."""
    assert command("jobs", "run", "settle", points_database_url=database_url).returncode == 0
    return asyncio.run(sides(database_url))


async def sides(database_url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(database_url)
    try:
        row = await connection.fetchrow("SELECT available, held FROM account")
    finally:
        await connection.close()
    return row["available"], row["held"]
