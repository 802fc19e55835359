"""Claims and their coupons through points and notifications on real Kafka, while both die: each ends once, as the tills said."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests import plain
from tests.brokers import Broker
from tests.processes import Running, command, loyalty, wait_until_ready
from tests.shared.messaging.waiting import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

CLAIMS = 30
LINK_KEY = "the-link-key-of-this-journey-00000"
REWARD = {
    "reward_id": "five",
    "texts": {"en": {"title": "5 euros off"}},
    "default_language": "en",
    "value": {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"},
    "points": 100,
    "stock": CLAIMS,
}
CLAIM_STATES = "SELECT status, count(*) FROM reward_claim GROUP BY status ORDER BY status"
COUPON_STATES = "SELECT status, count(*) FROM coupon GROUP BY status ORDER BY status"


def claim(running: Running, number: int) -> dict[str, Any]:
    """Let a customer earn 100 points and spend them."""
    customer = f"c-{number}"
    bought = {"shop_id": "s", "invoice_number": f"R-{number}", "currency": "EUR", "total": "100.00"}
    assert plain.post(f"{running.url}/v1/purchases", json=bought | {"customer_id": customer}).status_code == 201
    asked, key = {"customer_id": customer}, {"Idempotency-Key": f"claim-{number}"}
    claimed = plain.post(f"{running.url}/v1/rewards/five/claims", json=asked, headers=key)
    assert claimed.status_code == 201, claimed.text
    answer: dict[str, Any] = claimed.json()
    return answer


def cancel(running: Running, claimed: dict[str, Any]) -> httpx.Response:
    place = f"{running.url}/v1/rewards/claims/{claimed['claim_id']}/cancel"
    return plain.post(place, json={"reason": "by mistake"})


def redeem(running: Running, claimed: dict[str, Any]) -> None:
    """Take a coupon at a till."""
    purchase = {"shop_id": "s", "invoice_number": f"with {claimed['code']}"}
    answer = plain.post(f"{running.url}/v1/coupons/{claimed['code']}/redeem", json=purchase)
    assert answer.status_code == 201, answer.text


async def test_every_claim_ends_as_its_coupon_did(broker: Broker, database_url: str, notifications_url: str) -> None:
    points_settings = {"points_database_url": database_url, "kafka_bootstrap_servers": broker.bootstrap_servers}
    settings = {
        "notifications_database_url": notifications_url,
        "notifications_link_key": LINK_KEY,
        "kafka_bootstrap_servers": broker.bootstrap_servers,
    }
    books, coupons = await asyncpg.connect(database_url), await asyncpg.connect(notifications_url)
    with (
        loyalty("services", "points", **points_settings) as points,
        loyalty("services", "notifications", **settings) as tills,
    ):
        wait_until_ready(points)
        wait_until_ready(tills)
        assert plain.post(f"{points.url}/v1/rewards", json=REWARD).status_code == 201
        claims = [claim(points, number) for number in range(CLAIMS)]
        await until(lambda: states(coupons, COUPON_STATES), {"issued": CLAIMS}, seconds=60)
        for each in claims[:10]:
            redeem(tills, each)
        assert {cancel(points, each).status_code for each in claims[5:20]} <= {201, 409}
        points.kill()
        tills.kill()
    with (
        loyalty("services", "points", **points_settings) as points,
        loyalty("services", "notifications", **settings) as tills,
    ):
        ends = {"issued": 10, "redeemed": 10, "voided": 10}
        await until(lambda: states(coupons, COUPON_STATES), ends, seconds=60)
        await until(lambda: states(books, CLAIM_STATES), {"cancelled": 10, "claimed": 10, "fulfilled": 10}, seconds=60)
        for running in (points, tills):
            assert running.interrupt() == 0
            assert "Traceback" not in running.said()
    assert await books.fetchval("SELECT sum(available)::int FROM account") == 1000
    for connection in (books, coupons):
        assert await connection.fetchval("SELECT count(*) FROM dead_letter") == 0
        await connection.close()
    both = {
        "points_database_url": database_url,
        "notifications_database_url": notifications_url,
        "notifications_link_key": LINK_KEY,
    }
    assert command("verify", **both).returncode == 0


async def states(connection: asyncpg.Connection, statement: str) -> dict[str, int]:
    return dict(await connection.fetch(statement))
