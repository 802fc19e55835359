"""A code for everybody through points and notifications on real Kafka, named by purchases and taken at tills, while they die."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.brokers import Broker
from tests.processes import Running, command, loyalty, wait_until_ready
from tests.shared.messaging.waiting import until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

BUDGET, TILLS, PURCHASES = 30, 10, 40
"""Ten uses are taken at tills, of forty purchases the budget is enough for twenty."""

SHARED = {
    "code": "SUMMER26",
    "value": {"kind": "percentage_voucher", "percent": "10"},
    "budget": {"uses": BUDGET, "per_customer": 1},
}
USES = "SELECT status, count(*) FROM coupon_use GROUP BY status ORDER BY status"


async def redeem(client: httpx.AsyncClient, number: int) -> int:
    basket = {"currency": "EUR", "lines": [{"amount": "50.00"}], "customer_id": f"till-{number}"}
    purchase = {"shop_id": "s", "invoice_number": f"T-{number}", "basket": basket}
    return (await client.post("/v1/coupons/summer-26/redeem", json=purchase)).status_code


def buy(points: Running, number: int) -> None:
    bought = {"shop_id": "s", "invoice_number": f"R-{number}", "currency": "EUR", "total": "45.00", "discount": "5.00"}
    named = {"customer_id": f"c-{number}", "coupon_codes": ["Summer-26"]}
    assert httpx.post(f"{points.url}/v1/purchases", json=bought | named).status_code == 201


async def test_a_budget_is_used_exactly_and_what_is_over_it_is_not_lost(
    broker: Broker, database_url: str, notifications_url: str
) -> None:
    points_settings = {"points_database_url": database_url, "kafka_bootstrap_servers": broker.bootstrap_servers}
    settings = {
        "notifications_database_url": notifications_url,
        "notifications_link_key": "a-key-of-these-tests-0123456789ab",
        "kafka_bootstrap_servers": broker.bootstrap_servers,
    }
    books = await asyncpg.connect(notifications_url)
    with (
        loyalty("services", "points", **points_settings) as points,
        loyalty("services", "notifications", **settings) as tills,
    ):
        wait_until_ready(points)
        wait_until_ready(tills)
        key = {"Idempotency-Key": "summer"}
        assert httpx.post(f"{tills.url}/v1/coupons/shared", json=SHARED, headers=key).status_code == 201
        async with httpx.AsyncClient(base_url=tills.url) as client:
            assert await asyncio.gather(*(redeem(client, number) for number in range(TILLS))) == [201] * TILLS
        for number in range(PURCHASES // 2):
            buy(points, number)
        tills.kill()
        for number in range(PURCHASES // 2, PURCHASES):
            buy(points, number)
    with (
        loyalty("services", "points", **points_settings) as points,
        loyalty("services", "notifications", **settings) as tills,
    ):
        await until(lambda: states(books), {"redeemed": BUDGET, "conflict": TILLS + PURCHASES - BUDGET}, seconds=60)
        shown: dict[str, Any] = httpx.get(f"{tills.url}/v1/coupons/shared/SUMMER26").json()
        assert shown["used"] == {"uses": BUDGET, "amount": "150.00"}
        for running in (points, tills):
            assert running.interrupt() == 0
            assert "Traceback" not in running.said()
    assert await books.fetchval("SELECT count(*) FROM dead_letter") == 0
    await books.close()
    assert command("verify", **settings).returncode == 0


async def states(connection: asyncpg.Connection) -> dict[str, int]:
    return dict(await connection.fetch(USES))
