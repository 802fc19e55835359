"""Points owed for recommendations on real Kafka, redelivered while a process dies: booked once, and taken back once."""

import asyncpg
import pytest
from confluent_kafka.admin import AdminClient

from tests.brokers import Broker
from tests.journeys.recommendations import REFERRALS, Recommendations
from tests.processes import command, loyalty, wait_until_ready
from tests.shared.messaging.waiting import until
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

REWARDS, POINTS = 200, 50
STATES = "SELECT status, count(*) FROM points_grant GROUP BY status"


async def test_every_reward_is_booked_once_and_every_reversal_takes_it_back(broker: Broker, database_url: str) -> None:
    settings = {"points_database_url": database_url, "kafka_bootstrap_servers": broker.bootstrap_servers}
    books = await asyncpg.connect(database_url)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    referrals = Recommendations(broker.bootstrap_servers)
    with loyalty("services", "points", **settings) as first:
        wait_until_ready(first)
        eventually(lambda: REFERRALS in admin.list_topics(timeout=10).topics)
        say_all(referrals)
        await until(lambda: has_begun(books), wanted=True, seconds=60)
        first.kill()
    say_all(referrals)
    with loyalty("services", "points", **settings) as second:
        wait_until_ready(second)
        say_all(referrals)
        # every fifth is taken back, and then said to be owed once more
        for number in range(0, REWARDS, 5):
            referrals.reverse(number)
            referrals.reverse(number)
        say_all(referrals)
        await until(lambda: states(books), {"granted": 160, "revoked": 40}, seconds=60)
        await until(lambda: heard(books), 4 * REWARDS + 80, seconds=60)
        assert second.interrupt() == 0
        assert "Traceback" not in second.said()
    assert await books.fetchval("SELECT sum(available)::int FROM account") == 160 * POINTS
    assert await books.fetchval("SELECT count(*) FROM entry WHERE kind = 'grant'") == REWARDS
    assert await books.fetchval("SELECT count(*) FROM dead_letter") == 0
    assert command("verify", points_database_url=database_url).returncode == 0
    await books.close()


def say_all(referrals: Recommendations) -> None:
    for number in range(REWARDS):
        referrals.reward(number, POINTS)
    referrals.flush()


async def has_begun(books: asyncpg.Connection) -> bool:
    return bool(await books.fetchval("SELECT count(*) FROM points_grant"))


async def states(books: asyncpg.Connection) -> dict[str, int]:
    return dict(await books.fetch(STATES))


async def heard(books: asyncpg.Connection) -> int:
    return int(await books.fetchval("SELECT count(*) FROM event"))
