"""What referrals owe in points is what points have booked: `loyalty verify` finds every way in which it is not."""

import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.commands.agreeing import compare
from services.points.commands import Command as PointsCommand
from services.points.commands import GrantPoints, MergeAccounts, RevokeGrant
from services.points.commands import Request as PointsRequest
from services.points.ledger import Ledger
from services.referrals.commands import Command, Request
from services.referrals.lifecycle import Lifecycle
from shared.database import create_engine, fetch, transact
from shared.requests import Origin
from tests.processes import command
from tests.referrals.asking import rows
from tests.referrals.conftest import CODE, NOW, claim, code, purchase, refund

OF_BEN, OF_CLEO = (f"{friend} claims {CODE}/friend/1" for friend in ("ben", "cleo"))


@pytest.fixture
async def points(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The books of points, in which the two rewards stand that were given, one of them taken back and its owner merged."""
    engine, origin = create_engine(database_url, name="points", pool_size=1), Origin("/test", "1", NOW)
    commands: list[PointsCommand] = [
        GrantPoints("referrals", OF_BEN, "ben", 200, "referral", NOW, origin),
        GrantPoints("referrals", OF_CLEO, "cleo", 200, "referral", NOW, origin._replace(id="2")),
        RevokeGrant("referrals", OF_CLEO, "cleo", "refunded", NOW, origin._replace(id="3")),
        MergeAccounts("cleo", "dora", "enrolled twice"),
    ]
    await transact(engine, lambda connection: Ledger().book(connection, [PointsRequest(commands)], now=NOW))
    yield engine
    await engine.dispose()


@pytest.fixture
async def referrals(referrals_url: str) -> AsyncIterator[AsyncEngine]:
    """The books of referrals, all of whose events have left."""
    engine = create_engine(referrals_url, name="referrals", pool_size=1)
    commands: list[Command] = [
        code(),
        claim(),
        purchase(),
        claim("cleo"),
        purchase("R-2", customer="cleo"),
        refund("R-2"),
    ]
    await transact(engine, lambda connection: Lifecycle().book(connection, [Request(commands)], now=NOW))
    await change(engine, "DELETE FROM outbox")
    yield engine
    await engine.dispose()


async def change(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await fetch(connection, "SET LOCAL session_replication_role = replica")
        await fetch(connection, statement)


async def found(points: AsyncEngine, referrals: AsyncEngine) -> list[dict[str, object]]:
    async with referrals.connect() as owing, points.connect() as booking:
        return [row for each in await compare(owing, booking) for row in each.rows]


async def test_books_that_agree_have_no_findings(points: AsyncEngine, referrals: AsyncEngine) -> None:
    assert await found(points, referrals) == []


@pytest.mark.parametrize(
    ("damage", "reward_id"),
    [
        ("DELETE FROM points_grant WHERE status = 'granted'", OF_BEN),
        ("UPDATE points_grant SET points = 199 WHERE status = 'granted'", OF_BEN),
        ("UPDATE points_grant SET customer_id = 'anna' WHERE status = 'granted'", OF_BEN),
        ("UPDATE points_grant SET status = 'granted', revoked_at = NULL WHERE status = 'revoked'", OF_CLEO),
        (
            "INSERT INTO points_grant SELECT source, 'made up', 'ben', status, rule, 9 FROM points_grant LIMIT 1",
            "made up",
        ),
    ],
)
async def test_what_was_not_booked_as_it_is_owed_is_found(
    points: AsyncEngine, referrals: AsyncEngine, damage: str, reward_id: str
) -> None:
    await change(points, damage)
    assert [row["reward_id"] for row in await found(points, referrals)] == [reward_id]


async def test_a_reward_whose_event_has_not_left_is_no_finding(points: AsyncEngine, referrals: AsyncEngine) -> None:
    await change(points, "DELETE FROM points_grant WHERE status = 'granted'")
    said = json.dumps({"data": {"reward_id": OF_BEN}})
    await change(
        referrals, f"INSERT INTO outbox (topic, key, payload) VALUES ('t', 'ben', convert_to('{said}', 'UTF8'))"
    )
    assert await rows(referrals, "SELECT 1 FROM outbox")
    assert [row for row in await found(points, referrals) if row["reward_id"] == OF_BEN] == []


@pytest.mark.usefixtures("referrals")
async def test_the_command_names_both_services(points: AsyncEngine, database_url: str, referrals_url: str) -> None:
    here = {
        "points_database_url": database_url,
        "referrals_database_url": referrals_url,
        "referrals_contact_key": "k" * 32,
    }
    await change(points, "DELETE FROM points_grant WHERE status = 'granted'")
    said = command("verify", "--json", **here)
    assert said.returncode == 1, said.stderr
    services = {
        each["service"] for each in json.loads(said.stdout)["findings"] if each["name"] == "rewards-are-granted"
    }
    assert services == {"referrals and points"}
