"""The features of a programme in the ledger: what is awarded, counted, taken back and ended, on real books."""

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.commands import AwardPurchase, Outcome, Request, SettleAccount
from services.points.ledger import LOCK_USES, Ledger
from services.points.programme import Programme
from services.points.rules.tiers import Standing
from services.points.verification import verify
from shared.database import fetch, transact
from tests.points.conftest import NOW, Book, adjustment, publish, purchase, refund

DAY = dt.timedelta(days=1)
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

Holds = Callable[[dict[str, Any]], Awaitable[None]]

MONTH = {"model": "after_earning", "months": 1}
LEVELS = [
    {"name": "Basic", "threshold": 0},
    {"name": "Silver", "threshold": 100},
    {"name": "Gold", "threshold": 300, "multiplier": "2"},
]


@pytest.fixture
def holds(engine: AsyncEngine) -> Holds:
    """Have a programme hold from the beginning of time."""

    async def run(document: dict[str, Any]) -> None:
        await publish(engine, Programme.model_validate(document), valid_from=LONG_AGO)

    return run


async def rows(engine: AsyncEngine, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await fetch(connection, statement, *arguments)]


async def the_books_are_right(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []


def later(days: float, invoice: str, total: str = "100.00", **more: Any) -> AwardPurchase:
    """A purchase that comes when it happens, so many days from now."""
    when = NOW + days * DAY
    made = purchase(invoice, total, occurred_at=when.isoformat(), **more)
    return made._replace(origin=made.origin._replace(received_at=when))


def bought(outcome: Outcome) -> int:
    assert outcome.purchase is not None
    return outcome.purchase.points


def balance(outcome: Outcome) -> tuple[int, int]:
    assert outcome.balance is not None
    return outcome.balance.available, outcome.balance.pending


def ago(days: int) -> str:
    return (NOW - days * DAY).isoformat()


# Refunds (rules 13 to 16)


@pytest.mark.parametrize(
    ("earn_base", "said"),
    [
        ({"discount": True}, {"total": "90.00", "discount": "10.00"}),
        ({"discount": True, "tax": False}, {"total": "90.00", "discount": "10.00", "tax": "14.37"}),
        ({"tax": False}, {"total": "90.00", "tax": "14.37"}),
        ({"shipping": True}, {"total": "90.00", "shipping": "4.90"}),
        ({}, {"total": "90.00", "shipping": "4.90", "gift_cards": "20.00", "points_paid": "10.00"}),
    ],
)
@pytest.mark.parametrize("parts", [{}, {"shipping": "30.00"}, {"gift_cards": "30.00"}, {"points_paid": "20.00"}])
async def test_rule_13_a_purchase_taken_back_in_full_ends_at_zero(
    earn_base: dict[str, bool],
    said: dict[str, str],
    parts: dict[str, str],
    holds: Holds,
    book: Book,
    engine: AsyncEngine,
) -> None:
    await holds({"earn_base": earn_base})
    await book(purchase(**said))
    await book(refund(amount="30.00", refund_id="1", **parts))
    await book(refund(amount="60.00", refund_id="2"))
    assert await rows(engine, "SELECT points - clawed_back FROM purchase") == [(0,)]
    assert await rows(engine, "SELECT points, spend FROM progress") == [(0, 0)]
    await the_books_are_right(engine)


async def test_rule_13_parts_that_say_too_much_keep_no_more_than_was_not_refunded(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({})
    for order in ((1, 2), (2, 1)):
        name = f"R-{order}"
        await book(purchase(name, "100.00", shipping="10.00"))
        for number in order:
            said = {1: ("20.00", {"shipping": "20.00"}), 2: ("50.00", {})}[number]
            await book(refund(name, said[0], str(number), **said[1]))
    assert await rows(engine, "SELECT points, clawed_back FROM purchase") == [(90, 60), (90, 60)]
    await the_books_are_right(engine)


async def test_a_refund_without_its_parts_lowers_spend_by_no_more_than_counted(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({})
    await book(purchase(total="104.90", shipping="4.90"))
    await book(refund(amount="60.00", refund_id="1"), refund(amount="44.90", refund_id="2"))
    assert await rows(engine, "SELECT points, spend FROM progress") == [(0, 0)]


async def test_rule_14_only_what_a_clawback_lacks_is_written_off(holds: Holds, book: Book, engine: AsyncEngine) -> None:
    await holds({"unmet_clawback": "write_off"})
    await book(purchase(total="50.00"), adjustment(-80, allow_debt=True))
    (outcome,) = await book(refund(amount="50.00"))
    assert balance(outcome) == (-30, 0)
    assert await rows(engine, "SELECT kind, points FROM entry WHERE sequence > 2") == [
        ("clawback", -50),
        ("write_off", 50),
    ]
    await the_books_are_right(engine)


# Ends (rule 10)


async def test_rule_10_points_that_ended_before_they_were_booked_are_never_available(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"expiry": MONTH})
    (outcome,) = await book(purchase(occurred_at=ago(40)))
    assert (bought(outcome), balance(outcome)) == (100, (0, 0))
    assert await rows(engine, "SELECT kind, points FROM entry") == [("award", 100), ("expiry", -100)]
    await the_books_are_right(engine)


async def test_points_that_ended_before_they_were_booked_still_repay_a_debt(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"expiry": MONTH})
    await book(purchase(total="1.00"), adjustment(-41, allow_debt=True))
    (outcome,) = await book(purchase("R-2", occurred_at=ago(40)))
    assert balance(outcome) == (0, 0)
    assert await rows(engine, "SELECT kind, points FROM entry WHERE sequence > 2") == [("award", 100), ("expiry", -60)]
    await the_books_are_right(engine)


async def test_a_purchase_that_earns_nothing_keeps_the_points_of_an_active_customer(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"expiry": {"model": "inactivity", "months": 1}})
    await book(purchase())
    await book(later(20, "R-2", "0.50"), now=NOW + 20 * DAY)
    await book(SettleAccount("c-1"), now=NOW + 40 * DAY)
    assert await rows(engine, "SELECT available, inactive_on FROM account") == [(100, dt.date(2027, 1, 13))]


# Campaigns (rule 3)


async def test_a_repeat_that_names_another_day_draws_on_the_budget_of_the_first(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    window = {"valid_from": ago(3), "valid_until": ago(1)}
    await holds({"campaigns": [{"name": "welcome", "points": 10, "budget": {"points": 15}, **window}]})
    await book(purchase("R-1", customer="c-1", occurred_at=ago(2)))
    await book(purchase("R-2", customer=None, occurred_at=ago(2)))
    (outcome,) = await book(purchase("R-2", customer="c-2", event="again", occurred_at=ago(0)))
    assert bought(outcome) == 105
    assert await rows(engine, "SELECT points, awards FROM campaign_budget") == [(15, 2)]


async def test_rule_3_100_purchases_at_once_never_exceed_a_budget(holds: Holds, engine: AsyncEngine) -> None:
    budgets = [
        {"name": "points", "points": 7, "budget": {"points": 100}},
        {"name": "awards", "points": 1, "budget": {"awards": 9}},
    ]
    await holds({"campaigns": budgets})
    ledgers = [Ledger(), Ledger()]

    async def buy(number: int) -> int:
        request = Request([purchase(f"R-{number}", "10.00", f"c-{number % 30}")])
        (reply,) = await transact(engine, lambda c: ledgers[number % 2].book(c, [request], now=NOW))
        return bought(reply.outcomes[0]) - 10

    given = await asyncio.gather(*(buy(number) for number in range(100)))
    assert sum(given) == 109
    assert await rows(engine, "SELECT campaign, points, awards FROM campaign_budget ORDER BY 1") == [
        ("awards", 9, 9),
        ("points", 100, 15),
    ]
    await the_books_are_right(engine)


WELCOME = {"name": "welcome", "points": 10}
CAPPED = {"campaigns": [WELCOME | {"budget": {"points": 15}}]}


async def a_lock_is_waited_for(engine: AsyncEngine, task: asyncio.Future[Any]) -> None:
    """Return when a task waits for another transaction, or has ended without."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not task.done() and await rows(engine, waiting) == [(0,)]:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)


async def test_a_budget_that_is_published_while_a_purchase_draws_on_its_campaign_counts_that_too(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"campaigns": [WELCOME]})
    await book(purchase("R-0", customer="c-0"))
    async with engine.begin() as till:
        await Ledger().book(till, [Request([purchase("R-1")])], now=NOW)
        publishing = asyncio.ensure_future(holds({"campaigns": [WELCOME | {"budget": {"points": 25}}]}))
        await a_lock_is_waited_for(engine, publishing)
    await publishing
    assert await rows(engine, "SELECT points, awards FROM campaign_budget") == [(20, 2)]
    (outcome,) = await book(purchase("R-2", customer="c-2"))
    assert bought(outcome) == 105
    await the_books_are_right(engine)


@pytest.mark.parametrize("lock", ["SELECT 1 FROM account FOR UPDATE", LOCK_USES], ids=["loaded", "decided"])
async def test_a_purchase_that_was_loaded_or_decided_before_a_budget_was_published_keeps_to_it(
    lock: str, holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"campaigns": [WELCOME]})
    await book(purchase("R-0"))
    async with engine.begin() as publishing:
        await fetch(publishing, lock)
        buying = asyncio.ensure_future(book(purchase("R-1")))
        await a_lock_is_waited_for(engine, buying)
        capped = Programme.model_validate(CAPPED)
        await Ledger().publish(publishing, capped, valid_from=LONG_AGO, now=NOW, actor="tester")
    (outcome,) = await buying
    assert bought(outcome) == 105
    assert await rows(engine, "SELECT points, awards FROM campaign_budget") == [(15, 2)]
    await the_books_are_right(engine)


async def test_budgets_published_among_100_purchases_at_once_are_counted_and_kept(
    holds: Holds, engine: AsyncEngine
) -> None:
    free = [{"name": f"campaign-{n}", "points": 10} for n in range(5)]
    await holds({"campaigns": free})
    ledgers = [Ledger(), Ledger()]

    async def buy(number: int) -> None:
        request = Request([purchase(f"R-{number}-{n}", "10.00", f"c-{(number + n) % 30}") for n in range(3)])
        await transact(engine, lambda c: ledgers[number % 2].book(c, [request], now=NOW))

    before: list[int] = []

    async def limit(place: int) -> None:
        """Give one more campaign a budget, and note what it had given by then."""
        capped = [each | {"budget": {"awards": 150}} for each in free[: place + 1]]
        programme = Programme.model_validate({"campaigns": [*capped, *free[place + 1 :]]})
        statement = f"SELECT awards FROM campaign_budget WHERE campaign = 'campaign-{place}'"
        async with engine.begin() as connection:
            await Ledger().publish(connection, programme, valid_from=LONG_AGO, now=NOW, actor="tester")
            before.append((await fetch(connection, statement))[0][0])

    for place in range(5):
        numbers = range(place * 20, place * 20 + 20)
        await asyncio.gather(limit(place), *(buy(number) for number in numbers))
    after = await rows(engine, "SELECT awards FROM campaign_budget ORDER BY campaign")
    assert after == [(max(150, each),) for each in before]
    await the_books_are_right(engine)


async def test_a_campaign_named_like_an_earlier_rule_starts_with_its_whole_budget(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"rules": [{"name": "welcome", "multiplier": "2"}]})
    await book(purchase("R-1"))
    await holds({"campaigns": [{"name": "welcome", "points": 10, "budget": {"points": 15}}]})
    (outcome,) = await book(purchase("R-2"))
    assert bought(outcome) == 110
    await the_books_are_right(engine)


# Tiers (rule 22)


async def test_rule_22_a_purchase_that_crosses_a_threshold_earns_at_the_old_rate(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"tiers": {"levels": LEVELS}})
    outcomes = await book(purchase("R-1", "350.00"), purchase("R-2", "10.00"))
    assert [bought(each) for each in outcomes] == [350, 20]
    assert await rows(engine, 'SELECT "left", reached, reason FROM tier_change') == [("Basic", "Gold", "earned")]


async def test_rule_22_a_refund_lowers_the_count_at_once_and_the_tier_at_the_review(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"tiers": {"levels": LEVELS, "window": "rolling_year"}})
    await book(purchase(total="350.00"))
    await book(refund(amount="290.00"))
    (outcome,) = await book(SettleAccount("c-1"))
    assert outcome.standing == Standing("Gold", NOW.date(), None, None)
    assert await rows(engine, "SELECT sum(points) FROM progress") == [(60,)]
    (outcome,) = await book(SettleAccount("c-1"), now=NOW + 366 * DAY)
    assert outcome.standing == Standing("Basic", dt.date(2027, 11, 23), "Silver", 100)


async def expiring(engine: AsyncEngine) -> list[dict[str, Any]]:
    said = await rows(engine, "SELECT convert_from(payload, 'UTF8') FROM outbox ORDER BY id")
    events = [json.loads(event) for (event,) in said]
    return [each["data"] for each in events if each["type"] == "loyalty.tier.expiring.v1"]


async def test_rule_22_no_drop_is_told_of_a_tier_that_a_new_programme_has_just_given(
    holds: Holds, book: Book, engine: AsyncEngine
) -> None:
    await holds({"tiers": {"levels": [LEVELS[0], {"name": "Silver", "threshold": 1000}]}})
    await book(purchase(total="150.00"))
    await publish(engine, Programme.model_validate({"tiers": {"levels": LEVELS}}), valid_from=NOW + 20 * DAY)
    for days in (20, 21, 39):
        await book(SettleAccount("c-1"), now=NOW + days * DAY)
    assert await rows(engine, "SELECT tier, tier_review_on FROM account") == [("Silver", dt.date(2028, 1, 1))]
    assert await expiring(engine) == []


async def test_rule_22_a_drop_is_told_once_with_what_is_missing(holds: Holds, book: Book, engine: AsyncEngine) -> None:
    await holds({"tiers": {"levels": LEVELS, "announce_days": 30}})
    await book(purchase(total="150.00"))
    await book(later(200, "R-2", "30.00"), now=NOW + 200 * DAY)
    for day in (1, 2, 3, 20):
        await book(SettleAccount("c-1"), now=dt.datetime(2027, 12, day, 12, tzinfo=dt.UTC))
    (told,) = await expiring(engine)
    assert (told["tier"], told["to"], told["on"], told["missing"]) == ("Silver", "Basic", "2028-01-01", 70)
    (outcome,) = await book(SettleAccount("c-1"), now=dt.datetime(2028, 1, 1, tzinfo=dt.UTC))
    assert outcome.standing == Standing("Basic", dt.date(2028, 1, 1), "Silver", 100)
