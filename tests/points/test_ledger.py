"""What stands in the books after purchases, refunds, claims and adjustments, by the numbers of the rules."""

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.commands import AwardPurchase, Command, Outcome, PassOn, RefundPurchase, Request
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.verification import verify
from shared.contracts import points as said
from shared.database import fetch, transact
from tests.points.conftest import NOW, Book, adjustment, claim, enrolment, publish, purchase, refund


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever a test did, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def rows(engine: AsyncEngine, statement: str) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row) for row in await fetch(connection, statement)]


EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


# Earning


async def test_a_purchase_enrols_and_awards(book: Book) -> None:
    (outcome,) = await book(purchase(total="119.00", shipping="4.90"))
    assert outcome.status == "booked"
    assert outcome.purchase is not None
    assert outcome.purchase.points == 114
    assert outcome.balance is not None
    assert outcome.balance.available == 114


async def test_rule_4_an_award_remembers_its_version_base_and_breakdown(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(total="10.50"))
    (row,) = await rows(engine, "SELECT award::text AS award FROM purchase")
    assert orjson.loads(row["award"]) == {
        "version": 1,
        "rate": "1",
        "minimum": "0",
        "gross": "10.50",
        "base": "10.50",
        "breakdown": [{"rule": "base", "points": 10}],
    }


async def test_a_total_of_0_is_kept_and_makes_no_entry(book: Book, engine: AsyncEngine) -> None:
    (outcome,) = await book(purchase(total="0"))
    assert outcome.status == "booked"
    assert await rows(engine, "SELECT * FROM entry") == []
    assert len(await rows(engine, "SELECT * FROM purchase")) == 1


async def test_rule_5_without_enrolment_by_purchase_it_waits_for_a_claim(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(enrol_buyers=False), valid_from=EARLY)
    (outcome,) = await book(purchase())
    assert outcome.status == "unclaimed"
    await book(enrolment())
    (claimed,) = await book(claim())
    assert claimed.balance is not None
    assert claimed.balance.available == 100


async def test_rule_6_more_than_24_hours_ahead_is_refused(book: Book) -> None:
    ahead = (NOW + dt.timedelta(hours=24, seconds=1)).isoformat()
    (outcome,) = await book(purchase(occurred_at=ahead))
    assert outcome.code == "occurred-in-future"


async def test_another_currency_is_refused_and_opens_no_account(book: Book, engine: AsyncEngine) -> None:
    (outcome,) = await book(purchase(currency="SEK"))
    assert (outcome.code, outcome.pointer) == ("currency-unsupported", "/currency")
    assert await rows(engine, "SELECT * FROM account") == []


# Repeats and conflicts


async def test_twenty_deliveries_of_one_event_award_once(book: Book, engine: AsyncEngine) -> None:
    outcomes = await book(*[purchase() for _ in range(10)])
    for _ in range(10):
        outcomes += await book(purchase())
    assert [each.status for each in outcomes] == ["booked"] + ["repeated"] * 19
    assert len(await rows(engine, "SELECT * FROM entry")) == 1


async def test_the_same_event_again_is_the_same_whatever_it_says(book: Book, engine: AsyncEngine) -> None:
    await book(purchase("R-1", event="e"))
    (outcome,) = await book(purchase("R-2", "999", event="e"))
    assert outcome.status == "repeated"
    assert len(await rows(engine, "SELECT * FROM purchase")) == 1


@pytest.mark.parametrize(
    "same",
    [
        {"total": "100"},
        {"total": "100.0000"},
        {"shipping": "0.00"},
        {"occurred_at": "2025-01-01T00:00:00Z"},
        {"tax": "1"},
    ],
)
async def test_a_repeat_is_compared_by_value(book: Book, same: dict[str, str]) -> None:
    outcomes = await book(purchase(), purchase(event="again", **same))
    assert outcomes[1].status == "repeated"


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"total": "100.01"}, "total"),
        ({"currency": "CHF"}, "currency"),
        ({"shipping": "1"}, "shipping"),
        ({"gift_cards": "1"}, "gift_cards"),
        ({"points_paid": "1"}, "points_paid"),
        ({"customer": "c-2"}, "customer_id"),
    ],
)
async def test_the_first_purchase_stands_against_a_contradiction(book: Book, other: dict[str, str], field: str) -> None:
    await book(purchase())
    (outcome,) = await book(purchase(event="again", **other))
    assert (outcome.code, outcome.pointer) == ("purchase-conflict", f"/{field}")


async def test_rule_20_a_repeat_is_recognised_before_anything_is_judged(book: Book, engine: AsyncEngine) -> None:
    await book(purchase())
    await publish(engine, Programme.model_validate({"rates": {"CHF": "1"}}), valid_from=EARLY)
    (outcome,) = await book(purchase(event="again"))
    assert outcome.status == "repeated"


# Cards


async def test_a_purchase_by_card_is_the_customers(book: Book) -> None:
    await book(enrolment("c-1", "SHOP-1"))
    outcomes = await book(purchase(customer=None, card_number="SHOP-1"), purchase(event="again"))
    assert [each.status for each in outcomes] == ["booked", "repeated"]


async def test_a_card_of_another_customer_is_refused(book: Book) -> None:
    await book(enrolment("c-1", "SHOP-1"))
    (outcome,) = await book(purchase(customer="c-2", card_number="SHOP-1"))
    assert outcome.code == "card-of-another-customer"


@pytest.mark.parametrize("together", [True, False])
async def test_a_purchase_of_an_unknown_card_waits_for_its_owner(book: Book, *, together: bool) -> None:
    commands: list[Command] = [
        purchase(customer=None, card_number="SHOP-1"),
        refund(amount="40"),
        enrolment("c-1", "SHOP-1"),
    ]
    outcomes = await book(*commands) if together else [(await book(each))[0] for each in commands]
    assert [each.status for each in outcomes] == ["waiting", "booked", "booked"]
    assert outcomes[2].balance is not None
    assert outcomes[2].balance.available == 60


async def test_a_purchase_parked_while_its_card_is_enrolled_is_not_forgotten(book: Book, engine: AsyncEngine) -> None:
    await asyncio.gather(
        *(book(purchase(f"R-{n}", customer=None, card_number=f"SHOP-{n}")) for n in range(60)),
        *(book(enrolment(f"c-{n}", f"SHOP-{n}")) for n in range(60)),
    )
    assert await rows(engine, "SELECT count(*) AS of FROM account WHERE available = 100") == [{"of": 60}]


async def test_a_mistyped_card_is_refused(book: Book) -> None:
    (outcome,) = await book(enrolment("c-1", "2990000000423"))
    assert outcome.code == "card-mistyped"


async def test_a_card_belongs_to_one_customer(book: Book) -> None:
    outcomes = await book(enrolment("c-1", "SHOP-1"), enrolment("c-2", "SHOP-1"), enrolment("c-1", "SHOP-2"))
    assert [each.code for each in outcomes] == [None, "card-taken", "account-conflict"]


@pytest.mark.parametrize("together", [True, False])
async def test_the_card_of_a_registration_counts_though_a_purchase_was_heard_first(
    book: Book, engine: AsyncEngine, *, together: bool
) -> None:
    commands = [
        refund("R-2", amount="33.33"),
        purchase("R-2", customer=None, card_number="SHOP-1"),
        purchase("R-1"),
        enrolment("c-1", "SHOP-1"),
        enrolment("c-1", "SHOP-1"),
    ]
    outcomes = await book(*commands) if together else [(await book(each))[0] for each in commands]
    assert [each.status for each in outcomes] == ["waiting", "waiting", "booked", "booked", "repeated"]
    assert await rows(engine, "SELECT card_number, available FROM account") == [
        {"card_number": "SHOP-1", "available": 166}
    ]
    told = "SELECT count(*) AS of FROM outbox WHERE convert_from(payload, 'UTF8') LIKE '%card.replaced.v1%'"
    assert await rows(engine, told) == [{"of": 1}]


# Claims


async def test_a_purchase_of_nobody_is_claimed_with_its_refunds(book: Book) -> None:
    await book(enrolment(), purchase(customer=None), refund(amount="33.33"), refund(amount="33.33", refund_id="2"))
    claimed, again, other = await book(claim(), claim(), claim(customer="c-1"))
    assert (claimed.status, again.status, other.status) == ("booked", "repeated", "repeated")
    assert claimed.balance is not None
    assert claimed.balance.available == 33


async def test_a_claimed_purchase_belongs_to_one_customer(book: Book) -> None:
    await book(enrolment("c-1"), enrolment("c-2"), purchase(customer=None))
    outcomes = await asyncio.gather(*(book(claim(customer=f"c-{n % 2 + 1}")) for n in range(20)))
    assert sorted(outcome[0].code or outcome[0].status for outcome in outcomes) == (
        ["booked"] + ["purchase-claimed"] * 10 + ["repeated"] * 9
    )


async def test_the_claim_window_ends(book: Book) -> None:
    await book(enrolment(), purchase(customer=None))
    (outcome,) = await book(claim(), now=NOW + dt.timedelta(days=31))
    assert outcome.code == "claim-window-over"


@pytest.mark.parametrize(
    ("prepared", "code"),
    [([], "purchase-unknown"), ([purchase(customer=None)], "account-unknown"), ([refund()], "purchase-unknown")],
)
async def test_a_claim_without_ground_is_refused(book: Book, prepared: list[Command], code: str) -> None:
    if prepared:
        await book(*prepared)
    (outcome,) = await book(claim())
    assert outcome.code == code


# Refunds


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_rule_13_any_order_ends_at_the_same_points(book: Book, order: tuple[int, ...]) -> None:
    commands: list[Command] = [purchase(), *(refund(amount=f"{n}.33", refund_id=str(n)) for n in (10, 20, 30))]
    for index in order:
        await book(commands[index], commands[index])
    (outcome,) = await book(purchase(event="again"))
    assert outcome.balance is not None
    assert outcome.balance.available == 39
    (last,) = await book(refund(amount="39.01", refund_id="last"))
    assert last.balance is not None
    assert last.balance.available == 0


async def test_rule_13_a_refund_uses_the_rules_of_the_award(book: Book, engine: AsyncEngine) -> None:
    await book(purchase())
    generous = Programme.model_validate({"rates": {"EUR": "5"}, "earn_base": {"shipping": True}})
    await publish(engine, generous, valid_from=EARLY)
    (outcome,) = await book(refund(amount="50"))
    assert outcome.refund is not None
    assert outcome.refund.points == 50


async def test_rule_14_spent_points_become_a_debt_and_rule_18_the_next_points_repay_it(
    book: Book, engine: AsyncEngine
) -> None:
    await book(purchase(), adjustment(-80))
    (clawed,) = await book(refund())
    assert clawed.balance is not None
    assert clawed.balance.available == -80
    (next_one,) = await book(purchase("R-2", "100"))
    assert next_one.balance is not None
    assert next_one.balance.available == 20
    assert await rows(engine, "SELECT sequence, remaining FROM lot WHERE remaining > 0") == [
        {"sequence": 4, "remaining": 20}
    ]


async def test_rule_14_what_was_spent_can_be_written_off(book: Book, engine: AsyncEngine) -> None:
    await publish(engine, Programme(unmet_clawback="write_off"), valid_from=EARLY)
    await book(purchase(), adjustment(-80))
    (clawed,) = await book(refund())
    assert clawed.account is not None
    assert clawed.account.available == 0
    kinds = await rows(engine, "SELECT kind, points FROM entry ORDER BY sequence")
    assert [tuple(row.values()) for row in kinds][2:] == [("clawback", -100), ("write_off", 80)]


async def test_rule_14_a_debit_by_hand_goes_below_zero_only_as_a_correction(book: Book) -> None:
    await book(purchase())
    (outcome,) = await book(adjustment(-101))
    assert outcome.code == "insufficient-points"
    assert outcome.balance is not None
    assert outcome.balance.available == 100
    (corrected,) = await book(adjustment(-101, key="correction", allow_debt=True))
    assert corrected.balance is not None
    assert corrected.balance.available == -1


async def test_rule_15_a_refund_before_its_purchase_ends_the_same(book: Book) -> None:
    (waiting,) = await book(refund(amount="33.33"))
    assert waiting.status == "waiting"
    (outcome,) = await book(purchase())
    assert outcome.account is not None
    assert outcome.account.available == 66


async def test_a_batch_holds_purchases_and_refunds_of_others_that_have_not_come(book: Book) -> None:
    outcomes = await book(purchase("R-1"), refund("R-2"), purchase("R-3"), purchase("R-4", customer=None))
    assert [each.status for each in outcomes] == ["booked", "waiting", "booked", "unclaimed"]


async def test_rule_15_more_than_was_paid_is_refused_whole(book: Book) -> None:
    await book(purchase(), refund(amount="60"))
    (outcome,) = await book(refund(amount="40.01", refund_id="2"))
    assert (outcome.code, outcome.pointer) == ("refund-exceeds-purchase", "/amount")


async def test_rule_15_of_waiting_refunds_the_one_too_many_becomes_a_dead_letter(
    book: Book, engine: AsyncEngine
) -> None:
    await book(refund(amount="60"), refund(amount="60", refund_id="2"))
    await book(purchase())
    letters = await rows(
        engine, "SELECT code, topic, convert_from(value, 'UTF8')::jsonb->'data'->>'refund_id' AS id FROM dead_letter"
    )
    assert letters == [{"code": "refund-exceeds-purchase", "topic": "loyalty.purchases", "id": "2"}]
    too_much, fitting = await book(
        refund(amount="60", refund_id="2", event="again"), refund(amount="40", refund_id="2", event="mended")
    )
    assert (too_much.code, fitting.status) == ("refund-exceeds-purchase", "booked")


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"currency": "CHF"}, "refund-currency"),
        ({"customer_id": "c-2"}, "refund-customer"),
        ({"amount": "1", "shipping": "2"}, "refund-parts-exceed-amount"),
    ],
)
async def test_a_refund_that_does_not_fit_is_refused(book: Book, other: dict[str, str], code: str) -> None:
    await book(purchase())
    (outcome,) = await book(refund(**other))
    assert outcome.code == code


async def test_the_same_refund_twice_is_one_and_another_under_its_name_is_refused(book: Book) -> None:
    await book(purchase())
    outcomes = await book(
        refund(amount="10"), refund(amount="10.00", event="again"), refund(amount="11", event="other")
    )
    assert [each.code or each.status for each in outcomes] == ["booked", "repeated", "refund-conflict"]


async def test_rule_16_store_credit_claws_back_unless_the_programme_says_otherwise(
    book: Book, engine: AsyncEngine
) -> None:
    await book(purchase())
    (as_money,) = await book(refund(amount="10", kind="store_credit"))
    assert as_money.balance is not None
    assert as_money.balance.available == 90
    await publish(engine, Programme(store_credit_claws_back=False), valid_from=EARLY)
    await book(purchase("R-2"))
    (outcome,) = await book(refund("R-2", amount="10", kind="store_credit"))
    assert outcome.balance is not None
    assert outcome.balance.available == 190


async def test_rule_19_what_was_paid_with_points_earns_nothing_and_claws_back_nothing(book: Book) -> None:
    (bought,) = await book(purchase(total="100", points_paid="20"))
    assert bought.purchase is not None
    assert bought.purchase.points == 80
    (outcome,) = await book(refund(amount="50"))
    assert outcome.refund is not None
    assert outcome.refund.points == 40


# Many at once


async def test_200_concurrent_tills_on_one_customer_lose_nothing(book: Book) -> None:
    await asyncio.gather(*(book(purchase(f"R-{n}", "1.00")) for n in range(200)))
    (outcome,) = await book(purchase("R-0", "1.00", event="again"))
    assert outcome.balance is not None
    assert outcome.balance.available == 200


async def test_one_purchase_from_40_tills_at_once_earns_once(book: Book) -> None:
    outcomes = await asyncio.gather(*(book(purchase(event=f"e-{n}")) for n in range(40)))
    assert sorted(each[0].status for each in outcomes) == ["booked"] + ["repeated"] * 39


async def test_a_purchase_and_its_refund_at_the_same_instant_1000_times(engine: AsyncEngine) -> None:
    first, second = Ledger(), Ledger()

    async def book_each(ledger: Ledger, commands: list[Command]) -> list[Outcome]:
        outcomes = []
        for command in commands:
            request = Request([command])
            (reply,) = await transact(engine, lambda c, r=request: ledger.book(c, [r], now=NOW))  # type: ignore[misc]
            outcomes += reply.outcomes
        return outcomes

    purchases: list[Command] = [purchase(f"R-{n}", customer=f"c-{n % 7}") for n in range(1000)]
    refunds: list[Command] = [refund(f"R-{n}", "60") for n in range(1000)]
    await asyncio.gather(book_each(first, purchases), book_each(second, refunds))
    assert await rows(engine, "SELECT sum(available)::int AS of FROM account") == [{"of": 40_000}]
    assert await rows(engine, "SELECT count(*) AS of FROM refund WHERE status <> 'booked'") == [{"of": 0}]


# Events


async def test_every_event_keeps_its_contract_and_its_number(book: Book, engine: AsyncEngine) -> None:
    await book(purchase(), refund(amount="10"), adjustment(5), adjustment(-5))
    events = [
        said.EVENTS.validate_json(row["payload"])
        for row in await rows(engine, "SELECT payload FROM outbox WHERE topic = 'loyalty.points' ORDER BY id")
    ]
    assert [each.type.split(".")[2] for each in events] == ["opened", "awarded", "reversed", "adjusted", "adjusted"]
    assert [int(each.sequence) for each in events] == [1, 2, 3, 4, 5]
    assert [each.data.balance.available for each in events] == [0, 100, 90, 95, 90]
    assert all(sum(line.points for line in each.data.breakdown) == each.data.points for each in events[1:])


async def test_what_came_over_http_leaves_on_its_topic_once(book: Book, engine: AsyncEngine) -> None:
    base = purchase()
    origin = type(base.origin)("/shop", "e-1", NOW, document=b'{"a": 1}')
    update = PassOn("loyalty.customers", "c-1", type(origin)("/crm", "u-1", NOW, document=b"{}"))
    taken: list[Command] = [
        AwardPurchase(base.purchase, origin),
        RefundPurchase(refund().refund, type(origin)("/shop", "e-2", NOW, document=b'{"b": 2}')),
        update,
    ]
    await book(*taken, *taken)
    left = await rows(engine, "SELECT topic, key, payload FROM outbox WHERE topic <> 'loyalty.points' ORDER BY id")
    assert [tuple(row.values()) for row in left] == [
        ("loyalty.purchases", "c-1", b'{"a": 1}'),
        ("loyalty.purchases", "c-1", b'{"b": 2}'),
        ("loyalty.customers", "c-1", b"{}"),
    ]


async def test_entries_can_not_be_changed(book: Book, engine: AsyncEngine) -> None:
    await book(purchase())
    for statement in ("UPDATE entry SET points = 1", "DELETE FROM entry", "TRUNCATE entry"):
        with pytest.raises(Exception, match="never changed"):
            async with engine.begin() as connection:
                await connection.execute(text(statement))
