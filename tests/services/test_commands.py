"""Commands that look after several services: what is done is done in each, and what is shown says whose it is."""

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from tests import plain
from tests.processes import command, loyalty, wait_until_ready
from tests.shared.messaging.waiting import until

pytestmark = pytest.mark.slow

Ended = subprocess.CompletedProcess[str]
Run = Callable[..., Ended]

HERE = ("points", "referrals")
KEY = "the-contact-key-of-these-tests-00"

LETTER = """
INSERT INTO dead_letter (consumer, topic, code, error, digest) VALUES ($1, 'loyalty.purchases', 'c', 'e', '')"""


@pytest.fixture
def urls(database_url: str, referrals_url: str) -> dict[str, str]:
    return {"points_database_url": database_url, "referrals_database_url": referrals_url, "referrals_contact_key": KEY}


@pytest.fixture
def run(urls: dict[str, str]) -> Run:
    """Run a command that finds both services."""
    return lambda *arguments: command(*arguments, **urls)


@pytest.fixture
async def books(database_url: str, referrals_url: str) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    opened = {"points": await asyncpg.connect(database_url), "referrals": await asyncpg.connect(referrals_url)}
    yield opened
    for each in opened.values():
        await each.close()


def test_one_key_is_taken_by_all_services_and_ends_in_all(run: Run) -> None:
    key = run("keys", "create", "till-1", "--scope", "purchases:read").stdout.strip()
    assert [(row["service"], row["status"]) for row in keys(run)] == [("points", "live"), ("referrals", "live")]
    assert {row["id"] for row in keys(run)} == {key.split("_")[1]}
    assert run("keys", "rotate", "till-1", "--grace-hours", "0").returncode == 0
    assert sorted(row["status"] for row in keys(run)) == ["expired", "expired", "live", "live"]
    assert run("keys", "revoke", "till-1").stdout == "till-1: 2 keys revoked\n"
    trail = json.loads(run("audit", "--subject", "till-1", "--json").stdout)
    assert {(row["service"], row["action"]) for row in trail} == {
        (service, action) for service in HERE for action in ("key.create", "key.rotate", "key.revoke")
    }
    assert trail == sorted(trail, key=lambda row: str(row["at"]), reverse=True)


def keys(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("keys", "list", "--json").stdout)
    return found


def test_a_service_that_joined_later_gets_a_key_when_it_is_rotated(run: Run) -> None:
    run("keys", "create", "till-1", "--scope", "purchases:read", "--service", "points")
    again = run("keys", "create", "till-1", "--scope", "*")
    assert (again.returncode, again.stderr) == (1, "there is a key till-1: rotate it, or choose another name\n")
    assert [row["service"] for row in keys(run)] == ["points"]
    rotated = run("keys", "rotate", "till-1").stdout.strip().split("_")[1]
    assert [row["service"] for row in keys(run) if row["id"] == rotated] == ["points", "referrals"]
    assert all(row["scopes"] == ["purchases:read"] for row in keys(run))
    unknown = run("keys", "rotate", "till-9")
    assert (unknown.returncode, unknown.stderr) == (1, "there is no key till-9\n")


async def test_dead_letters_say_whose_they_are_and_are_settled_where_it_is_said(
    run: Run, books: dict[str, asyncpg.Connection]
) -> None:
    for name, each in books.items():
        await each.execute(LETTER, name)
    shown = json.loads(run("dead-letters", "list", "--json").stdout)
    assert [(row["service"], row["id"]) for row in shown] == [("points", 1), ("referrals", 1)]
    for which in ("show", "drop"):
        unsaid = run("dead-letters", which, "1")
        assert (unsaid.returncode, unsaid.stderr) == (
            1,
            "there are several services here: add --service points or --service referrals\n",
        )
    assert run("dead-letters", "drop", "1", "--service", "referrals").returncode == 0
    assert [await each.fetchval("SELECT status FROM dead_letter") for each in books.values()] == ["open", "dropped"]


async def test_what_is_wrong_is_said_with_its_service(run: Run, books: dict[str, asyncpg.Connection]) -> None:
    proven = [*HERE, "referrals and points"]
    assert run("verify").stdout.splitlines() == [
        f"{name}: the books are right: every invariant holds" for name in proven
    ]
    await books["points"].execute(
        "INSERT INTO account (customer_id, card_number, enrolled_at, available) VALUES ('c-1', '1', now(), 5)"
    )
    broken = run("verify", "--json")
    assert broken.returncode == 1
    assert {each["service"] for each in json.loads(broken.stdout)["findings"]} == {"points"}
    assert run("verify", "--service", "referrals").returncode == 0


def test_a_job_runs_in_every_service_that_has_it(run: Run) -> None:
    ran = [json.loads(line) for line in run("jobs", "run", "housekeeping", "--json").stdout.splitlines()]
    assert [(each["service"], each["job"]) for each in ran] == [
        ("points", "housekeeping"),
        ("referrals", "housekeeping"),
    ]
    assert len(run("jobs", "run", "expire", "--json").stdout.splitlines()) == 1
    listed = {(row["service"], row["job"]): row for row in json.loads(run("jobs", "list", "--json").stdout)}
    assert listed["referrals", "housekeeping"]["finished_at"] is not None
    assert listed["points", "settle"]["finished_at"] is not None


def test_a_service_that_there_is_not_is_refused_by_name() -> None:
    refused = command("verify", "--service", "lunch")
    assert refused.returncode == 2
    assert "points, referrals" in refused.stderr


@pytest.mark.parametrize(
    "line", [["migrate"], ["verify", "--service", "referrals"], ["services", "referrals"], ["serve"]], ids=" ".join
)
def test_referrals_on_a_configured_database_without_their_key_say_so_in_a_line(
    urls: dict[str, str], line: list[str]
) -> None:
    del urls["referrals_contact_key"]
    ended = command(*line, **urls)
    assert (ended.returncode, ended.stderr) == (
        2,
        "LOYALTY_REFERRALS_CONTACT_KEY: is needed beside LOYALTY_REFERRALS_DATABASE_URL (openssl rand -hex 32)\n",
    )


async def test_in_one_process_without_a_broker_what_one_says_reaches_the_others(
    urls: dict[str, str], books: dict[str, asyncpg.Connection]
) -> None:
    purchase = {"shop_id": "s", "invoice_number": "R-1", "customer_id": "c-1", "currency": "EUR", "total": "10.00"}
    with loyalty("serve", **urls) as running:
        wait_until_ready(running, "/referrals/health/ready")
        # a purchase that can't be read is one that referrals alone put aside: that they heard it shows there
        await books["points"].execute(
            "INSERT INTO outbox (topic, key, payload) VALUES ('loyalty.purchases', 'c-1', '{')"
        )
        assert plain.post(f"{running.url}/points/v1/purchases", json=purchase).status_code == 201
        await until(lambda: books["referrals"].fetchval("SELECT count(*) FROM dead_letter"), 1)
        await until(lambda: books["points"].fetchval("SELECT count(*) FROM outbox"), 0)
    assert await books["points"].fetchval("SELECT count(*) FROM dead_letter") == 0


def test_a_customer_is_shown_and_erased_in_every_service_that_is_here(run: Run, urls: dict[str, str]) -> None:
    with loyalty("services", "points", **urls) as process:
        wait_until_ready(process)
        enrolled = {"customer_id": "c-1", "card_number": "CARD-1"}
        assert plain.post(f"{process.url}/v1/accounts", json=enrolled).is_success
    shown = json.loads(run("customers", "export", "c-1").stdout)
    assert [row["card_number"] for row in shown["points"]["tables"]["card"]] == ["CARD-1"]
    assert run("customers", "erase", "c-1", "--yes").stdout.startswith("points: c-1 erased\n")
    assert run("customers", "erase", "c-1", "--yes").stdout.startswith("points: c-1 was erased before\n")
    shown = json.loads(run("customers", "export", "c-1").stdout)
    assert shown["points"]["tables"]["card"] == []
    assert run("customers", "erase", "kim@example.com", "--yes").returncode == 2
    assert run("verify").returncode == 0
