"""Points are spent at once or out of holds, however many tills ask, and go back to the lots they came from (rules 8-12, 16-20)."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.app import create_app
from services.points.commands import (
    CaptureHold,
    Command,
    MergeAccounts,
    Outcome,
    Redeem,
    ReleaseHold,
    ReverseRedemption,
    SettlePurchase,
)
from services.points.programme import Expiry, PayWithPoints, Programme
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.points.verification import verify
from shared.database import create_engine
from tests.points.asking import refusal, rows
from tests.points.conftest import NOW, Book, adjustment, claim, enrolment, publish, purchase, refund

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
MINUTES = dt.timedelta(minutes=1)
DAYS = dt.timedelta(days=1)
YEARLY = Programme(expiry=Expiry(model="after_earning", months=12))
PAYING = Programme(pay_with_points=PayWithPoints.model_validate({"points_per_unit": {"EUR": "100"}}))


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def spend(points: int, name: str = "r", *, hold: int | None = None, customer: str = "c-1") -> Redeem:
    return Redeem(name, customer, points, NOW, hold)


def capture(points: int | None = None, name: str = "r", *, final: bool = True) -> CaptureHold:
    return CaptureHold(name, points, final)


def reverse(points: int | None = None, name: str = "r") -> ReverseRedemption:
    return ReverseRedemption(name, points, "out of stock")


def state(outcome: Outcome) -> tuple[str, int, int, int]:
    found = outcome.redemption
    assert found is not None, outcome
    return found.status, found.held, found.captured, found.restored


def balance(outcome: Outcome) -> tuple[int, int, int]:
    found = outcome.balance
    assert found is not None, outcome
    return found.available, found.pending, found.held


async def lots(engine: AsyncEngine) -> list[tuple[int, int]]:
    found = await rows(engine, "SELECT sequence, remaining FROM lot ORDER BY customer_id, sequence")
    return [(row["sequence"], row["remaining"]) for row in found]


async def kinds(engine: AsyncEngine) -> list[tuple[str, int]]:
    found = await rows(engine, "SELECT kind, points FROM entry ORDER BY customer_id, sequence")
    return [(row["kind"], row["points"]) for row in found]


async def said(engine: AsyncEngine) -> list[str]:
    found = await rows(engine, "SELECT convert_from(payload, 'UTF8')::jsonb->>'type' AS type FROM outbox ORDER BY id")
    return [row["type"].removeprefix("loyalty.").removesuffix(".v1") for row in found]


# At once


async def test_points_are_spent_at_once(book: Book, engine: AsyncEngine) -> None:
    *_, outcome = await book(purchase(), spend(40))
    assert (state(outcome), balance(outcome)) == (("captured", 0, 40, 0), (60, 0, 0))
    assert await lots(engine) == [(1, 60)]
    assert (await said(engine))[-1] == "points.redeemed"


async def test_more_than_is_available_is_refused_and_says_what_there_is(book: Book) -> None:
    *_, outcome = await book(purchase(), spend(30, "held", hold=60), spend(80))
    assert (outcome.status, outcome.code, balance(outcome)) == ("refused", "insufficient-points", (70, 0, 30))
    assert outcome.detail == "80 points asked for, 70 available, 30 held"


async def test_what_a_customer_owes_cannot_be_spent(book: Book) -> None:
    *_, outcome = await book(purchase(), adjustment(-150, allow_debt=True), spend(1))
    assert outcome.code == "insufficient-points"


async def test_pending_points_cannot_be_spent(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(pending_days=14), valid_from=EARLY)
    *_, outcome = await book(purchase(), spend(1))
    assert (outcome.code, balance(outcome)) == ("insufficient-points", (0, 100, 0))


async def test_an_unknown_customer_spends_nothing(book: Book) -> None:
    (outcome,) = await book(spend(1))
    assert outcome.code == "account-unknown"


async def test_rule_8_the_lot_that_ends_first_is_spent_first(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, YEARLY, valid_from=EARLY)
    later = purchase("late", occurred_at="2026-11-20T10:00:00+01:00")
    first = purchase("early", occurred_at="2026-02-01T10:00:00+01:00")
    await book(later, first, spend(150))
    assert await lots(engine) == [(1, 50), (2, 0)]


async def test_rule_10_points_past_their_day_cannot_be_spent_though_no_job_has_run(
    book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, YEARLY, valid_from=EARLY)
    await book(purchase())
    (outcome,) = await book(spend(1), now=NOW + 366 * DAYS)
    assert outcome.code == "insufficient-points"


# Holds


async def test_a_hold_takes_points_and_its_capture_spends_them(book: Book, engine: AsyncEngine) -> None:
    await book(purchase())
    (held,) = await book(spend(40, hold=600))
    assert (state(held), balance(held)) == (("held", 40, 0, 0), (60, 0, 40))
    (captured,) = await book(capture())
    assert (state(captured), balance(captured)) == (("captured", 0, 40, 0), (60, 0, 0))
    assert await kinds(engine) == [("award", 100), ("hold", -40), ("redemption", -40)]
    assert (await said(engine))[-2:] == ["points.held", "points.redeemed"]


async def test_a_capture_in_part_frees_the_rest(book: Book, engine: AsyncEngine) -> None:
    *_, outcome = await book(purchase(), spend(40, hold=600), capture(15))
    assert (state(outcome), balance(outcome)) == (("captured", 0, 15, 0), (85, 0, 0))
    assert await lots(engine) == [(1, 85)]


async def test_two_captures_of_50_from_a_hold_of_100_are_legal(book: Book) -> None:
    await book(purchase(), spend(100, hold=600))
    first, second, third = await book(capture(50, final=False), capture(50), capture(50))
    assert [state(each) for each in (first, second)] == [("held", 50, 50, 0), ("captured", 0, 100, 0)]
    assert (third.status, third.code) == ("refused", "redemption-not-held")


async def test_a_capture_takes_no_more_than_is_held(book: Book) -> None:
    *_, outcome = await book(purchase(), spend(40, hold=600), capture(41))
    assert (outcome.status, outcome.code) == ("refused", "capture-exceeds-hold")


async def test_what_is_captured_of_a_hold_is_what_would_end_first(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, YEARLY, valid_from=EARLY)
    await book(
        purchase("late", occurred_at="2026-11-20T10:00:00+01:00"),
        purchase("early", occurred_at="2026-02-01T10:00:00+01:00"),
        spend(150, hold=600),
        capture(100),
    )
    assert await lots(engine) == [(1, 100), (2, 0)]


async def test_a_release_gives_everything_back_once(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), spend(40, hold=600))
    first, second = await book(ReleaseHold("r"), ReleaseHold("r"))
    assert [first.status, second.status] == ["booked", "repeated"]
    assert (state(second), balance(second)) == (("released", 0, 0, 0), (100, 0, 0))
    assert await lots(engine) == [(1, 100)]


async def test_rule_11_a_hold_times_out_once_whoever_looks_first(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), spend(40, hold=600))
    late = NOW + 11 * MINUTES
    (captured,) = await book(capture(), now=late)
    assert (captured.code, captured.detail) == ("redemption-not-held", "nothing of it is held: it is timed out")
    (released,) = await book(ReleaseHold("r"), now=late)
    assert (state(released), balance(released)) == (("timed_out", 0, 0, 0), (100, 0, 0))
    assert await kinds(engine) == [("award", 100), ("hold", -40), ("release", 40)]


async def test_the_points_of_a_hold_that_timed_out_can_be_spent_though_no_job_has_run(book: Book) -> None:
    await book(purchase(), spend(100, hold=60))
    (outcome,) = await book(spend(100, "again"), now=NOW + 2 * MINUTES)
    assert balance(outcome) == (0, 0, 0)


async def test_rule_9_what_ends_in_a_hold_ends_with_it(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, YEARLY, valid_from=EARLY)
    await book(purchase(occurred_at="2025-11-24T10:00:00+01:00"), spend(100, hold=30 * 86_400))
    (outcome,) = await book(ReleaseHold("r"), now=NOW + 3 * DAYS)
    assert balance(outcome) == (0, 0, 0)
    assert (await kinds(engine))[-2:] == [("release", 100), ("expiry", -100)]


async def test_rule_14_a_refund_leaves_an_open_hold_alone(book: Book) -> None:
    await book(purchase(), spend(100, hold=600))
    (refunded,) = await book(refund())
    assert balance(refunded) == (-100, 0, 100)
    (released,) = await book(ReleaseHold("r"))
    assert balance(released) == (0, 0, 0)


async def test_a_debt_takes_of_the_same_lot_again_when_points_come_back_to_it(book: Book) -> None:
    await book(purchase(), spend(60, hold=600), refund())
    (released,) = await book(ReleaseHold("r"))
    assert balance(released) == (0, 0, 0)


async def test_a_debt_is_repaid_by_what_is_given_back(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), spend(100), adjustment(-30, allow_debt=True))
    (outcome,) = await book(reverse())
    assert balance(outcome) == (70, 0, 0)
    assert await lots(engine) == [(1, 70)]


# Given back


async def test_rule_9_points_go_back_to_the_lots_they_came_from(book: Book, engine: AsyncEngine) -> None:
    await book(purchase("R-1"), purchase("R-2"), spend(150))
    before = await lots(engine)
    (outcome,) = await book(reverse())
    assert (state(outcome), balance(outcome)) == (("reversed", 0, 150, 150), (200, 0, 0))
    assert (before, await lots(engine)) == ([(1, 0), (2, 50)], [(1, 100), (2, 100)])
    assert (await said(engine))[-1] == "points.restored"


async def test_a_reversal_in_parts_gives_back_no_more_than_was_spent(book: Book) -> None:
    await book(purchase(), spend(100))
    first, second, third = await book(reverse(60), reverse(50), reverse())
    assert state(first) == ("captured", 0, 100, 60)
    assert (second.status, second.code) == ("refused", "reversal-exceeds-redemption")
    assert (state(third), balance(third)) == (("reversed", 0, 100, 100), (100, 0, 0))
    (fourth,) = await book(reverse())
    assert fourth.code == "reversal-exceeds-redemption"


async def test_rule_9_a_lot_that_ended_meanwhile_comes_back_once_with_a_grace(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, YEARLY, valid_from=EARLY)
    await book(purchase(occurred_at="2025-12-01T10:00:00+01:00"), spend(100))
    later = NOW + 60 * DAYS
    (outcome,) = await book(reverse(), now=later)
    assert balance(outcome) == (100, 0, 0)
    (graced,) = await rows(engine, "SELECT remaining, expires_on FROM lot WHERE graced")
    assert graced == {"remaining": 100, "expires_on": (later + 30 * DAYS).date()}
    await book(spend(100, "again"), now=later)
    (again,) = await book(reverse(name="again"), now=later + 60 * DAYS)
    assert balance(again) == (0, 0, 0)
    assert (await kinds(engine))[-2:] == [("restoration", 100), ("expiry", -100)]


async def test_a_redemption_is_given_back_to_the_account_that_goes_on(book: Book) -> None:
    await book(purchase(), spend(100), enrolment("c-2"))
    *_, outcome = await book(MergeAccounts("c-1", "c-2", "one person"), reverse())
    assert (outcome.account and outcome.account.customer_id, balance(outcome)) == ("c-2", (100, 0, 0))


async def test_an_account_with_open_holds_is_not_merged(book: Book) -> None:
    await book(purchase(), spend(100, hold=60), enrolment("c-2"))
    (outcome,) = await book(MergeAccounts("c-1", "c-2", "one person"))
    assert outcome.code == "account-has-holds"


# Purchases paid with points


def paid(invoice: str = "P-1", points_paid: str = "1.00", names: tuple[str, ...] = ("r",), **more: Any) -> Command:
    return purchase(invoice, "10.00", points_paid=points_paid, redemption_ids=list(names), **more)


async def test_rule_19_a_purchase_captures_the_hold_that_it_names(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(150, hold=600))
    bought, captured = await book(paid(), capture())
    assert bought.purchase is not None
    assert (bought.purchase.points, bought.purchase.redeemed, bought.purchase.unpaid) == (9, 100, 0)
    assert (captured.status, state(captured)) == ("repeated", ("captured", 0, 100, 0))
    assert balance(captured) == (109, 0, 0)


async def test_a_capture_before_its_purchase_answers_the_same(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(100, hold=600))
    captured, bought = await book(capture(), paid())
    assert bought.purchase is not None
    assert (state(captured), bought.purchase.redeemed) == (("captured", 0, 100, 0), 100)
    assert balance(bought) == (109, 0, 0)


@pytest.mark.parametrize(("before", "unpaid"), [((), 0), ((spend(150, "others"),), 100)])
async def test_rule_19_a_hold_that_timed_out_is_taken_anew_if_it_can_be(
    book: Book, engine: AsyncEngine, before: tuple[Command, ...], unpaid: int
) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(100, hold=60))
    late = NOW + 5 * MINUTES
    *_, bought = await book(*before, paid(), now=late)
    assert bought.purchase is not None
    assert (bought.status, bought.purchase.unpaid, bought.purchase.redeemed) == ("booked", unpaid, 100 - unpaid)


async def test_the_redemption_of_another_customer_pays_for_nothing(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00", customer="c-2"), spend(100, hold=600, customer="c-2"))
    (bought,) = await book(paid())
    assert bought.purchase is not None
    assert (bought.purchase.redeemed, bought.purchase.unpaid) == (0, 100)


async def test_a_redemption_pays_for_one_purchase_only(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(100, hold=600))
    first, second = await book(paid(), paid("P-2"))
    assert first.purchase is not None
    assert second.purchase is not None
    assert (first.purchase.redeemed, second.purchase.redeemed, second.purchase.unpaid) == (100, 0, 100)


async def test_rule_16_points_paid_for_what_is_returned_go_back_in_proportion(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(100, hold=600), paid())
    first, second = await book(refund("P-1", "3.33", "1"), refund("P-1", "6.67", "2"))
    assert [balance(each)[0] for each in (first, second)] == [139, 200]
    (reversal,) = await book(reverse())
    assert reversal.code == "redemption-paid-purchase"


async def test_a_refund_before_a_purchase_paid_with_points_ends_the_same(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(100, hold=600))
    await book(refund("P-1", "10.00"))
    (bought,) = await book(paid())
    assert balance(bought) == (200, 0, 0)


async def test_a_purchase_that_is_claimed_captures_what_it_names(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase(total="200.00"), spend(100, hold=600), paid(customer=None))
    (claimed,) = await book(claim("P-1"))
    assert claimed.purchase is not None
    assert (claimed.purchase.redeemed, balance(claimed)) == (100, (109, 0, 0))


# Past purchases


def settle(points: int, invoice: str = "R-1", name: str = "s") -> SettlePurchase:
    return SettlePurchase(name, "shop", invoice, points, NOW)


async def test_a_past_purchase_is_paid_with_points_and_earns_on_the_rest_only(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase("old", "3000.00"), purchase())
    (outcome,) = await book(settle(2_000))
    assert outcome.settlement is not None
    assert (str(outcome.settlement.amount), outcome.settlement.clawed_back) == ("20.00", 20)
    assert balance(outcome) == (3_100 - 2_000 - 20, 0, 0)
    assert (await said(engine))[-3:] == ["points.redeemed", "purchase.settled", "points.reversed"]


async def test_rule_19_what_a_purchase_has_earned_does_not_pay_for_it(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase("old", "50.00"), purchase())
    refused, booked = await book(settle(100), settle(50, name="t"))
    assert (refused.status, refused.code) == ("refused", "insufficient-points")
    assert booked.status == "booked"
    assert await lots(engine) == [(1, 0), (2, 99)]


async def test_no_more_is_settled_than_was_paid_and_neither_refunded_nor_settled(
    book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase("old", "30000.00"), purchase(), refund(amount="30.00"))
    first, second, third = await book(settle(5_000), settle(2_100, name="t"), settle(2_000, name="u"))
    assert [each.code for each in (first, second, third)] == [None, "settlement-exceeds-purchase", None]
    (again,) = await book(settle(1, name="v"))
    assert again.code == "settlement-exceeds-purchase"


@pytest.mark.parametrize("split", [("100.00",), ("25.00", "75.00"), ("33.33", "33.33", "33.34")])
async def test_a_settled_purchase_that_is_returned_ends_as_if_it_had_never_been(
    book: Book, engine: AsyncEngine, split: tuple[str, ...]
) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase("old", "5000.00"), purchase(), settle(5_000))
    *_, outcome = await book(*(refund(amount=amount, refund_id=amount + str(n)) for n, amount in enumerate(split)))
    assert balance(outcome) == (5_000, 0, 0)
    assert outcome.purchase is not None
    assert (outcome.purchase.restored, outcome.purchase.clawed_back) == (5_000, 100)


async def test_what_is_settled_after_a_refund_goes_back_with_the_rest(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase("old", "5000.00"), purchase(), refund(amount="50.00"), settle(5_000))
    first, second = await book(refund(amount="20.00", refund_id="2"), refund(amount="30.00", refund_id="3"))
    assert [balance(each)[0] for each in (first, second)] == [2_000, 5_000]


async def test_without_a_value_points_pay_for_nothing(book: Book) -> None:
    await book(purchase("old", "5000.00"), purchase())
    (outcome,) = await book(settle(100))
    assert outcome.code == "points-do-not-pay"


async def test_points_pay_in_steps_from_a_minimum_and_up_to_a_share(book: Book, engine: AsyncEngine) -> None:
    rule = {"points_per_unit": {"EUR": "100"}, "minimum": 200, "step": 100, "largest_share": "0.5"}
    await publish(engine, Programme(pay_with_points=PayWithPoints.model_validate(rule)), valid_from=EARLY)
    await book(purchase("old", "9000.00"), purchase())
    outcomes = await book(*(settle(points, name=str(points)) for points in (100, 250, 5_100, 5_000)))
    codes = [each.code for each in outcomes]
    assert codes == ["points-do-not-fit", "points-do-not-fit", "settlement-exceeds-purchase", None]


async def test_a_settlement_over_rest_answers_the_same_under_its_key(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await publish(engine, PAYING, valid_from=EARLY)
    await book(purchase("old", "5000.00"), purchase())
    place, key = "/v1/purchases/shop/R-1/settlements", {"Idempotency-Key": "k"}
    first, second = [await client.post(place, json={"points": 1_000}, headers=key) for _ in range(2)]
    assert (first.status_code, first.content) == (201, second.content)
    assert (first.json()["amount"], first.json()["clawed_back"]) == ("10.00", 10)
    assert (await client.get("/v1/purchases/shop/R-1")).json()["settled"] == "10.00"
    refusal(
        await client.post("/v1/purchases/shop/none/settlements", json={"points": 1}, headers={"Idempotency-Key": "l"}),
        404,
        "purchase-unknown",
    )


# Over REST


async def redeem(client: httpx.AsyncClient, key: str, points: int = 100, **more: Any) -> httpx.Response:
    asked = {"customer_id": "c-1", "points": points} | more
    return await client.post("/v1/redemptions", json=asked, headers={"Idempotency-Key": key})


async def test_rule_20_the_replay_of_what_emptied_the_balance_answers_as_the_first_time(
    book: Book, client: httpx.AsyncClient
) -> None:
    await book(purchase())
    first, second, third = await redeem(client, "k-1"), await redeem(client, "k-1"), await redeem(client, "k-2")
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.json()["balance"] == {"available": 0, "pending": 0, "held": 0}
    problem = refusal(third, 409, "insufficient-points")
    assert (problem["available"], problem["held"]) == (0, 0)


async def test_a_redemption_without_a_key_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/redemptions", json={"customer_id": "c-1", "points": 1})
    assert answer.status_code == 422


async def test_the_life_of_a_hold_over_rest(book: Book, client: httpx.AsyncClient) -> None:
    await book(purchase())
    held = (await redeem(client, "k-1", 60, hold_seconds=600, shop_id="shop")).json()
    assert (held["status"], held["balance"]) == ("held", {"available": 40, "pending": 0, "held": 60})
    place, key = f"/v1/redemptions/{held['redemption_id']}", {"Idempotency-Key": "k-2"}
    captured = await client.post(f"{place}/capture", json={"points": 50}, headers=key)
    assert (captured.status_code, captured.json()["balance"]["available"]) == (201, 50)
    back = await client.post(f"{place}/reverse", json={"reason": "returned"}, headers={"Idempotency-Key": "k-3"})
    assert (back.json()["status"], back.json()["balance"]["available"]) == ("reversed", 100)
    assert (await client.get(place)).json()["restored"] == 50
    listed = (await client.get("/v1/redemptions", params={"customer_id": "c-1"})).json()
    assert [each["redemption_id"] for each in listed["data"]] == [held["redemption_id"]]
    unknown = await client.post("/v1/redemptions/none/release", headers={"Idempotency-Key": "k-4"})
    refusal(unknown, 404, "redemption-unknown")


async def test_the_preview_says_what_points_may_pay(book: Book, client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    rule = PayWithPoints.model_validate(
        {"points_per_unit": {"EUR": "100"}, "minimum": 100, "step": 50, "largest_share": "0.5"}
    )
    await publish(engine, Programme(pay_with_points=rule), valid_from=EARLY)
    await book(purchase(total="780.00"))
    asked = {"shop_id": "shop", "invoice_number": "new", "customer_id": "c-1", "currency": "EUR"}
    pays = {}
    for total in ("100.00", "10.30", "1.50"):
        answer = await client.post("/v1/purchases/preview", json=asked | {"total": total})
        pays[total] = answer.json()["spendable_points"]
    assert pays == {"100.00": 750, "10.30": 500, "1.50": 0}


@pytest.mark.parametrize("connections", [1, 4, 16])
@pytest.mark.parametrize("processes", [1, 2])
async def test_rule_12_twenty_tills_spend_100_each_from_1000(
    book: Book, database_url: str, connections: int, processes: int
) -> None:
    await book(purchase(total="1000.00"))
    services = [
        PointsService(create_engine(database_url, name="till", pool_size=connections)) for _ in range(processes)
    ]
    clients = [
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(each, PointsSettings())), base_url="http://localhost"
        )
        for each in services
    ]
    answers = await asyncio.gather(*(redeem(clients[till % processes], f"till-{till}") for till in range(20)))
    for each in clients:
        await each.aclose()
    for service in services:
        await service.close()
    assert sorted(each.status_code for each in answers) == [201] * 10 + [409] * 10
    refused = [each.json()["code"] for each in answers if each.status_code == 409]
    assert refused == ["insufficient-points"] * 10
