"""Claims and their coupons on real Kafka, while a process dies: each ends once, as the tills said."""

from collections import Counter
from typing import Any

import asyncpg
import httpx
import pytest
from confluent_kafka.admin import AdminClient

from tests.brokers import Broker
from tests.journeys.coupons import NOTIFICATIONS, Coupons
from tests.processes import Running, command, loyalty, wait_until_ready
from tests.shared.messaging.waiting import until
from tests.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

CLAIMS = 30
REWARD = {
    "reward_id": "five",
    "texts": {"en": {"title": "5 euros off"}},
    "default_language": "en",
    "value": {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"},
    "points": 100,
    "stock": CLAIMS,
}
STATES = "SELECT status, count(*) FROM reward_claim GROUP BY status ORDER BY status"


def claim(running: Running, number: int) -> dict[str, Any]:
    """Let a customer earn 100 points and spend them."""
    customer = f"c-{number}"
    bought = {"shop_id": "s", "invoice_number": f"R-{number}", "currency": "EUR", "total": "100.00"}
    assert httpx.post(f"{running.url}/v1/purchases", json=bought | {"customer_id": customer}).status_code == 201
    asked, key = {"customer_id": customer}, {"Idempotency-Key": f"claim-{number}"}
    claimed = httpx.post(f"{running.url}/v1/rewards/five/claims", json=asked, headers=key)
    assert claimed.status_code == 201, claimed.text
    answer: dict[str, Any] = claimed.json()
    return answer


def cancel(running: Running, claimed: dict[str, Any]) -> httpx.Response:
    place = f"{running.url}/v1/rewards/claims/{claimed['claim_id']}/cancel"
    return httpx.post(place, json={"reason": "by mistake"})


async def test_every_claim_ends_as_its_coupon_did(broker: Broker, database_url: str) -> None:
    settings = {"points_database_url": database_url, "kafka_bootstrap_servers": broker.bootstrap_servers}
    books = await asyncpg.connect(database_url)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    coupons = Coupons(broker.bootstrap_servers)
    with loyalty("services", "points", **settings) as first:
        wait_until_ready(first)
        eventually(lambda: NOTIFICATIONS in admin.list_topics(timeout=10).topics)
        assert httpx.post(f"{first.url}/v1/rewards", json=REWARD).status_code == 201
        claims = [claim(first, number) for number in range(CLAIMS)]
        eventually(lambda: Counter(coupons.read())["claimed"] == CLAIMS)
        for each in claims[:10]:
            coupons.redeem(each["code"])
        answers = [cancel(first, each).status_code for each in claims[5:20]]
        assert set(answers) <= {201, 409}
        first.kill()
    with loyalty("services", "points", **settings) as second:
        wait_until_ready(second)
        eventually(lambda: coupons.read() and Counter(coupons.ended.values())["voided"] == 10)
        await until(lambda: states(books), {"cancelled": 10, "claimed": 10, "fulfilled": 10}, seconds=60)
        eventually(lambda: Counter(coupons.read())["cancelled"] == 10)
        assert second.interrupt() == 0
        assert "Traceback" not in second.said()
    assert await books.fetchval("SELECT sum(available)::int FROM account") == 1000
    assert await books.fetchval("SELECT count(*) FROM dead_letter") == 0
    assert command("verify", points_database_url=database_url).returncode == 0
    await books.close()


async def states(books: asyncpg.Connection) -> dict[str, int]:
    return dict(await books.fetch(STATES))
