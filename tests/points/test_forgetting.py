"""Somebody is erased who has left something in every table: afterwards it is searched for in all of them."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.commands import GrantPoints, Request
from services.points.memory import MEMORY
from services.points.programme import Programme
from services.points.service import PointsService
from services.points.verification import verify
from shared import erasures
from shared.database import fetch
from shared.messaging import dead_letters, outbox
from shared.requests import Origin
from tests.forgotten import Places, filled, found, undeclared
from tests.points.asking import rows
from tests.points.conftest import NOW, publish
from tests.shared.messaging.waiting import until

PERSON, ALIAS, OTHER = "id-of-the-person", "alias-of-the-person", "somebody-else"
MARK = "MARKED"
CARD, LOST_CARD = f"{MARK}-CARD-1", f"{MARK}-CARD-2"

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
BUSY = Programme.model_validate(
    {
        "actions": [{"name": "review", "points": 20}],
        "credit_limit_per_day": 1000,
        "pay_with_points": {"points_per_unit": {"EUR": "100"}},
        "tiers": {"levels": [{"name": "Basic", "threshold": 0}, {"name": "Silver", "threshold": 100}]},
        "campaigns": [{"name": "welcome", "points": 10}],
    }
)
CLOSED = Programme.model_validate({"enrol_buyers": False})

BARE_ID: Places = {
    *((table, "customer_id") for table in (
        "account", "action_given", "adjustment", "allocation", "campaign_use", "entry", "erasure", "gift", "lot",
        "points_grant", "progress", "purchase", "redemption", "redemption_lot", "refund", "reward_claim", "settlement",
        "tier_change",
    )),
    ("account", "merged_into"), ("lot", "origin_customer_id"), ("entry", "reference"), ("audit", "subject"),
    ("event", "id"), ("outbox", "key"), ("outbox", "payload"),
}  # fmt: skip
"""Where the id of somebody who was erased may stand: it names a row, and tells nobody who that was."""


def quiet(_done: int, _of: int) -> None:
    pass


class Till:
    """Somebody who asks for everything there is, with a mark in whatever is free to write."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._keys = 0

    async def post(self, path: str, **said: Any) -> dict[str, Any]:
        self._keys += 1
        whose = "other" if path == "rewards" or said.get("customer_id") == OTHER else MARK
        headers = {"Idempotency-Key": f"{whose}-key-{self._keys}"}
        answer = await self._client.post(f"/v1/{path}", json=said, headers=headers)
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def buy(self, invoice: str, total: str = "100.00", **more: Any) -> dict[str, Any]:
        said = {"shop_id": "shop", "invoice_number": invoice, "currency": "EUR", "total": total}
        return await self.post("purchases", **said | {"customer_id": PERSON, "occurred_at": NOW.isoformat()} | more)

    async def put_reward(self, name: str, value: dict[str, str]) -> None:
        said = {"texts": {"en": {"title": "Reward"}}, "default_language": "en", "value": value, "points": 10}
        await self.post("rewards", reward_id=name, **said)


async def do_everything(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    till = Till(client)
    await publish(engine, CLOSED, valid_from=EARLY)
    await till.buy("U-1", card_number=None)
    await publish(engine, BUSY, valid_from=EARLY)
    await till.post("accounts", customer_id=PERSON, card_number=LOST_CARD)
    await till.post(f"accounts/{PERSON}/card", card_number=CARD, reason=f"{MARK} lost")
    await till.post("accounts", customer_id=OTHER)
    await till.buy("R-1", "400.00", card_number=CARD)
    await till.buy("A-1", customer_id=ALIAS)
    await till.post(f"accounts/{ALIAS}/merge", into=PERSON, reason=f"{MARK} enrolled twice")
    await till.post("purchases/shop/R-1/refunds", refund_id="1", currency="EUR", amount="10.00")
    await till.post("purchases/shop/W-1/refunds", refund_id="1", currency="EUR", amount="1.00", customer_id=PERSON)
    spent = await till.post("redemptions", customer_id=PERSON, points=20)
    await till.post(f"redemptions/{spent['redemption_id']}/reverse", reason=f"{MARK} changed their mind")
    await till.post("redemptions", customer_id=PERSON, points=20, hold_seconds=600)
    await till.post("purchases/shop/R-1/settlements", points=100)
    await till.post("gifts", customer_id=PERSON, to=OTHER, points=5, note=f"{MARK} for grandma")
    await claim_rewards(till)
    await give_by_hand(till)
    await till.post(f"accounts/{PERSON}/block", reason=f"{MARK} is rude")
    await till.post(f"accounts/{PERSON}/reopen", reason=f"{MARK} is sorry")


async def claim_rewards(till: Till) -> None:
    await till.put_reward("voucher", {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"})
    await till.put_reward("miles", {"kind": "partner_transfer", "partner": "Air", "unit": "miles", "rate": "1"})
    await till.post("rewards/voucher/claims", customer_id=PERSON)
    miles = await till.post("rewards/miles/claims", customer_id=PERSON, member_number=f"{MARK}-7")
    await till.post(f"rewards/claims/{miles['claim_id']}/fulfil", reason=f"{MARK} by mail")


async def give_by_hand(till: Till) -> None:
    said = {"customer_id": PERSON, "reason": f"{MARK} complaint", "note": f"{MARK} her cat is ill"}
    await till.post("adjustments", points=1000, kind="goodwill", **said)
    await till.post("adjustments", points=500, kind="goodwill", **said)
    await till.post(f"accounts/{PERSON}/actions", action="review", reference=f"{MARK}-review")


async def leave_messages(engine: AsyncEngine) -> None:
    """Half of what was said has left; some of what was heard could not be read."""
    async with engine.begin() as connection:
        await outbox.keep_days(connection)
        numbers = [row["id"] for row in await fetch(connection, "SELECT id FROM outbox ORDER BY id")]
        await outbox.move(connection, numbers[: len(numbers) // 2])
        failed: list[dict[str, Any]] = [
            {"value": orjson.dumps({"data": {"customer_id": PERSON, "email": f"{MARK}@example.com"}})},
            {"value": f"no JSON: {PERSON},{MARK}".encode()},
            {"key": PERSON.encode(), "value": f"{MARK}\udcff".encode(errors="surrogateescape")},
            {"value": f'{{"card_number": "{LOST_CARD}"}}'.encode()},
            {"headers": [("ce_subject", PERSON.encode())], "value": MARK.encode()},
        ]
        letters = [
            dead_letters.Failed(consumer="points", topic="loyalty.customers", code="c", error="e", **each)
            for each in failed
        ]
        kept = dead_letters.Failed(consumer="points", topic="t", code="c", error="e", value=f'"{PERSON}-2"'.encode())
        await dead_letters.store(connection, [*letters, kept])


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def grant(points: PointsService) -> None:
    granted = GrantPoints("referrals", "w-1", PERSON, 5, "referral", NOW, Origin("/r", "w-1", NOW))
    await points.submit(Request([granted]))


async def test_nothing_is_left_of_whoever_was_erased(
    client: httpx.AsyncClient, points: PointsService, engine: AsyncEngine
) -> None:
    await do_everything(client, engine)
    await grant(points)
    await leave_messages(engine)
    counts = await filled(engine, MEMORY, [PERSON, ALIAS], [PERSON, ALIAS, CARD, LOST_CARD])
    assert [table for table, count in counts.items() if not count] == []
    assert len(await found(engine, MARK)) >= 14
    assert (await client.delete(f"/v1/customers/{ALIAS}")).status_code == 204
    assert await erasures.forget(engine, MEMORY, quiet) == 2
    assert await found(engine, MARK) == set()
    assert await found(engine, PERSON, ALIAS) - {("dead_letter", "value")} <= BARE_ID
    async with engine.connect() as connection:
        left = await fetch(connection, "SELECT value FROM dead_letter")
    assert [row["value"] for row in left] == [f'"{PERSON}-2"'.encode()]


async def test_somebody_is_shown_all_that_is_known_of_them(
    client: httpx.AsyncClient, points: PointsService, engine: AsyncEngine
) -> None:
    await do_everything(client, engine)
    await grant(points)
    await leave_messages(engine)
    known = (await client.get(f"/v1/customers/{ALIAS}/export")).json()
    assert known["names"] == [ALIAS, PERSON]
    counts = await filled(engine, MEMORY, [PERSON, ALIAS], [PERSON, ALIAS, CARD, LOST_CARD])
    assert {table: len(rows) for table, rows in known["tables"].items()} == counts
    assert {row["card_number"] for row in known["tables"]["card"]} >= {CARD, LOST_CARD}
    assert f"{MARK} her cat is ill" in str(known["tables"]["adjustment"])
    assert OTHER not in {row["customer_id"] for row in known["tables"]["account"]}


async def test_what_was_cut_off_is_forgotten_by_the_next_run(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await do_everything(client, engine)
    await client.delete(f"/v1/customers/{PERSON}")
    async with engine.connect() as connection:
        await fetch(connection, "LOCK TABLE adjustment")
        cut_off = asyncio.create_task(erasures.forget(engine, MEMORY, quiet))
        await until(lambda: waits_for_locks(engine), wanted=True)
        cut_off.cancel()
        await asyncio.gather(cut_off, return_exceptions=True)
    assert MARK in str(await rows(engine, "SELECT note FROM adjustment"))
    assert await erasures.forget(engine, MEMORY, quiet) == 2
    assert await found(engine, MARK) == set()
    assert await erasures.forget(engine, MEMORY, quiet) == 0


async def waits_for_locks(engine: AsyncEngine) -> bool:
    return bool(await rows(engine, "SELECT FROM pg_locks WHERE NOT granted"))


async def test_every_table_says_whether_it_has_anything_of_people(engine: AsyncEngine) -> None:
    assert await undeclared(engine, MEMORY) == set()
