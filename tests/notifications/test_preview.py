"""A preview says who would get what on which day and what it would cost, and what the job does then is the same."""

import datetime as dt
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications import tables
from services.notifications.programme import Programme
from services.notifications.service import NotificationsService
from tests.asking import pointers, refusal, rows
from tests.notifications.conftest import NOW
from tests.notifications.test_planning import GOLD, birthday, christmas, customers, day, plan, publish, save_segment

SPAN = {"from": "2026-12-01", "until": "2026-12-31"}
PERCENT = {"kind": "coupon", "coupon": {"value": {"kind": "percentage_voucher", "percent": "10"}}}
MONEY = {"kind": "coupon", "coupon": {"value": {"kind": "money_voucher", "amount": "5.00", "currency": "EUR"}}}
POINTS = {"kind": "points", "points": 100}


@pytest.fixture
def client(client: httpx.AsyncClient, notifications: NotificationsService) -> httpx.AsyncClient:
    notifications.clock = lambda: NOW
    return client


async def ask(client: httpx.AsyncClient, occasion: object = "christmas", **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/occasions/preview", json=SPAN | {"occasion": occasion} | more)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def listed(client: httpx.AsyncClient, occasion: object, limit: int = 2, **more: Any) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        path = f"/v1/occasions/preview/customers?limit={limit}{cursor}"
        answer = (await client.post(path, json=SPAN | {"occasion": occasion} | more)).json()
        found += answer["data"]
        if answer["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer['next_cursor']}"


async def consent(engine: AsyncEngine, customer_id: str, state: str, channel: str = "email") -> None:
    word = {"given": "confirmed", "asked": "asked", "withdrawn": "withdrawn"}[state]
    async with engine.begin() as connection:
        values = {"customer_id": customer_id, "channel": channel, "purpose": "offers", "state": state}
        await connection.execute(tables.consent.insert().values(**values, **{f"{word}_at": NOW}))


async def test_the_job_does_what_the_preview_said(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, christmas())
    await customers(engine, *({"customer_id": f"c-{number:02}"} for number in range(25)))
    shown, found = await ask(client), await listed(client, "christmas", 7)
    assert await rows(engine, "SELECT 1 FROM notification UNION ALL SELECT 1 FROM sweep") == []
    assert shown["customers"] == len(found) == sum(each["customers"] for each in shown["days"]) == 25
    await plan(notifications, engine, "2026-12-03T12:00:00Z")
    planned = await rows(engine, "SELECT customer_id, day, due_at FROM notification ORDER BY customer_id")
    assert [(each["customer_id"], each["day"].isoformat()) for each in planned] == [
        (each["customer_id"], each["day"]) for each in found
    ]
    assert [each["due_at"] for each in planned] == [dt.datetime.fromisoformat(each["at"]) for each in found]
    # what they have is no proposal any more
    assert (await ask(client))["customers"] == 0


async def test_birthdays_are_listed_by_their_days(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, birthday(days_ahead=3))
    dates = {"anna": "1990-12-24", "ben": "1988-12-05", "cleo": "1992-12-05", "dora": "1991-12-02", "eve": "1990-01-02"}
    await customers(engine, *({"customer_id": name, "birthday": day(date)} for name, date in dates.items()))
    found = await listed(client, "birthday")
    assert [(each["customer_id"], each["day"], each["about"]) for each in found] == [
        ("ben", "2026-12-02", "2026-12-05"),
        ("cleo", "2026-12-02", "2026-12-05"),
        ("anna", "2026-12-21", "2026-12-24"),
        ("eve", "2026-12-30", "2027-01-02"),
    ]


async def test_a_birthday_of_next_year_is_found_though_this_years_is_near(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, birthday())
    await customers(engine, {"customer_id": "anna", "birthday": day("1990-11-24")})
    assert (await ask(client, "birthday", **{"from": "2026-11-20", "until": "2027-11-20"}))["customers"] == 1
    assert (await ask(client, "birthday", **{"from": "2027-11-20", "until": "2027-11-30"}))["customers"] == 1


async def test_whoever_cannot_be_told_is_counted_with_the_reason(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, christmas())
    names = ["anna", "ben", "cleo", "dora", "eve"]
    await customers(engine, *({"customer_id": each, "email": f"{each}@example.com"} for each in names))
    await customers(engine, {"customer_id": "without"})
    for name, state in [("anna", "given"), ("ben", "asked"), ("cleo", "withdrawn"), ("eve", "given")]:
        await consent(engine, name, state)
    async with engine.begin() as connection:
        gone = {"channel": "email", "address": "eve@example.com", "bounced_at": NOW}
        await connection.execute(tables.address.insert().values(**gone))
    shown = await ask(client)
    assert (shown["customers"], shown["reachable"]) == (6, 1)
    assert shown["unreachable"] == {
        "address-bounced": 1,
        "address-missing": 1,
        "consent-missing": 1,
        "consent-unconfirmed": 1,
        "consent-withdrawn": 1,
    }
    assert {each["customer_id"]: each["reason"] for each in await listed(client, "christmas")}["anna"] is None


async def test_a_channel_that_the_shop_delivers_itself_reaches_too(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    programme = Programme.model_validate({"occasions": [christmas()], "shop_channels": ["sms"]})
    await notifications.publish(programme, valid_from=NOW, now=NOW, actor="tests")
    await customers(engine, {"customer_id": "anna", "phone": "+491701234567"}, {"customer_id": "ben"})
    await consent(engine, "anna", "given", "sms")
    await consent(engine, "ben", "given", "sms")
    shown = await ask(client)
    assert (shown["reachable"], shown["unreachable"]) == (1, {"address-missing": 1})


async def test_a_draft_for_a_segment_finds_those_in_it(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW)
    await save_segment(engine, "gold", GOLD)
    await customers(engine, {"customer_id": "anna", "tier": "Gold"}, {"customer_id": "ben", "tier": "Silver"})
    assert [each["customer_id"] for each in await listed(client, christmas(segment="gold"))] == ["anna"]
    answer = await client.post("/v1/occasions/preview", json=SPAN | {"occasion": christmas(segment="none")})
    assert pointers(refusal(answer, 422, "segment-unknown")) == {"/occasion/segment"}


@pytest.mark.parametrize(
    ("benefit", "cost"),
    [
        (POINTS, {"points": 300, "points_cost": "3.00", "coupons_at_most": "0.00"}),
        (MONEY, {"points": 0, "points_cost": "0.00", "coupons_at_most": "15.00", "coupons_expected": "3.75"}),
        # of 50 and of 150 on average, and of the third, who never bought, as of those
        (PERCENT, {"coupons_at_most": "30.00", "coupons_expected": "7.50", "estimated_from": 2}),
        (None, {"gifts": 3, "points": 0, "coupons_at_most": "0.00"}),
    ],
    ids=["points", "money", "percent", "words"],
)
async def test_the_cost_is_said_before(
    client: httpx.AsyncClient,
    notifications: NotificationsService,
    engine: AsyncEngine,
    benefit: dict[str, Any] | None,
    cost: dict[str, Any],
) -> None:
    programme = Programme.model_validate({"occasions": [christmas(benefit=benefit)], "cost_per_point": "0.01"})
    await notifications.publish(programme, valid_from=NOW, now=NOW, actor="tests")
    await customers(
        engine,
        {"customer_id": "anna", "turnover": 100, "purchases": 2},
        {"customer_id": "ben", "turnover": 150, "purchases": 1},
        {"customer_id": "cleo"},
    )
    shown = (await ask(client, redemption_share="0.25"))["cost"]
    assert {name: shown[name] for name in cost} == cost
    assert (shown["gifts"], shown["currency"], shown["redemption_share"]) == (3, "EUR", "0.25")


async def test_a_draft_is_tried_before_it_is_published(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW)
    await customers(engine, {"customer_id": "anna", "joined_on": day("2020-12-06")})
    draft = {"kind": "anniversary", "name": "years", "of": "joining", "template": "anniversary"}
    assert (await ask(client, draft))["customers"] == 1


async def test_what_cannot_be_previewed_is_refused(
    client: httpx.AsyncClient, notifications: NotificationsService
) -> None:
    await publish(notifications, NOW, christmas())

    async def refused(occasion: object, **more: Any) -> httpx.Response:
        return await client.post("/v1/occasions/preview", json=SPAN | {"occasion": occasion} | more)

    refusal(await refused("easter"), 404, "occasion-unknown")
    problem = refusal(await refused(christmas(begins="02-29")), 422, "occasion-faulty")
    assert pointers(problem) == {"/occasion/begins"}
    refusal(await refused("christmas", until="2026-11-30"), 422, "days-invalid")
    refusal(await refused("christmas", until="2027-12-02"), 422, "days-invalid")
    forged = await client.post(
        "/v1/occasions/preview/customers?cursor=WzEsIjIiXQ", json=SPAN | {"occasion": "christmas"}
    )
    refusal(forged, 422, "cursor-invalid")


async def test_occasions_are_listed_with_what_became_of_them(
    client: httpx.AsyncClient, notifications: NotificationsService, engine: AsyncEngine
) -> None:
    await publish(notifications, NOW, christmas(), birthday(enabled=False))
    await customers(engine, {"customer_id": "anna"}, {"customer_id": "ben"})
    await plan(notifications, engine, "2026-12-03T12:00:00Z")
    async with engine.begin() as connection:
        await connection.execute(
            tables.notification.update().where(tables.notification.c.customer_id == "ben").values(status="suppressed")
        )
    shown = (await client.get("/v1/occasions")).json()["data"]
    assert [(each["name"], each["season"], each["begins"], each["ends"], each["customers"]) for each in shown] == [
        ("christmas", 2026, "2026-12-04", "2026-12-15", {"planned": 1, "suppressed": 1}),
        ("birthday", 2026, None, None, {}),
    ]
