"""What customers bought, in short: the same history, in whichever order and however often it is heard of."""

import asyncio
import datetime as dt
import itertools
from decimal import Decimal
from random import Random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import (
    Command,
    HearConsent,
    HearMerge,
    HearProfile,
    HearStanding,
    TakeBack,
    UseCoupons,
)
from services.notifications.rules.consent import ConsentPurpose
from services.notifications.verification import verify
from tests.asking import rows
from tests.notifications.conftest import NOW, Book, issue
from tests.notifications.test_handlers import hear

CARD = "2990000000422"
HOUR = dt.timedelta(hours=1)


def bought(
    invoice: str,
    customer: str | None = "anna",
    total: str = "49.90",
    *categories: str,
    card: str | None = None,
    currency: str = "EUR",
    at: float = 0,
) -> UseCoupons:
    return UseCoupons(
        "shop", invoice, Decimal(total), (), NOW + at * HOUR, customer, None, currency, card, tuple(sorted(categories))
    )


def took_back(invoice: str, amount: str, refund_id: str = "1") -> TakeBack:
    return TakeBack("shop", invoice, refund_id, Decimal(amount))


def card_of(customer: str, number: str = CARD, sequence: int = 1) -> HearStanding:
    return HearStanding(customer, sequence, 0, 0, card_number=number, enrolled_at=NOW)


async def history(engine: AsyncEngine, name: str = "anna") -> tuple[int, Decimal, float | None, float | None]:
    """Purchases, turnover, and how many hours from now the first and the last were."""
    (found,) = await rows(engine, f"SELECT * FROM customer WHERE customer_id = '{name}'")
    first, last = (
        None if found[each] is None else (found[each] - NOW) / HOUR
        for each in ("first_purchase_at", "last_purchase_at")
    )
    return found["purchases"], found["turnover"], first, last


async def categories(engine: AsyncEngine, name: str = "anna") -> dict[str, int]:
    found = await rows(engine, f"SELECT category, purchases FROM bought WHERE customer_id = '{name}'")
    return {each["category"]: each["purchases"] for each in found}


async def in_order(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await verify(connection) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_purchase_its_refund_and_its_card_count_once_in_any_order(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    facts: list[Command] = [bought("R-1", None, "49.90", "wine", card=CARD), took_back("R-1", "9.90"), card_of("anna")]
    for place in (*order, *order):
        await book(facts[place])
    assert await history(engine) == (1, Decimal("40.00"), 0, 0)
    assert await categories(engine) == {"wine": 1}
    await in_order(engine)


async def test_purchases_of_one_batch_count_each(book: Book, engine: AsyncEngine) -> None:
    await book(
        bought("R-1", "anna", "10", "wine", at=-1),
        bought("R-2", None, "5", "wine", "bread", card=CARD, at=2),
        card_of("anna"),
        bought("R-3", None, "7", card=CARD, at=1),
        took_back("R-1", "10"),
        took_back("R-1", "10"),
    )
    assert await history(engine) == (3, Decimal(12), -1, 2)
    assert await categories(engine) == {"bread": 1, "wine": 2}
    await in_order(engine)


async def test_what_is_paid_in_another_currency_is_a_purchase_but_no_turnover(book: Book, engine: AsyncEngine) -> None:
    await book(bought("R-1", currency="USD"), took_back("R-1", "9.90"))
    assert await history(engine) == (1, Decimal(0), 0, 0)
    await in_order(engine)


async def test_no_turnover_falls_below_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(bought("R-1"), took_back("R-1", "30", "1"), took_back("R-1", "30", "2"))
    assert (await history(engine))[1] == 0
    await in_order(engine)


async def test_a_purchase_of_nobody_is_whose_a_repeat_says_it_is(book: Book, engine: AsyncEngine) -> None:
    await book(bought("R-1", None))
    await book(bought("R-1", "anna"))
    await book(bought("R-1", "ben"))
    assert (await history(engine))[0] == 1
    assert await rows(engine, "SELECT FROM customer WHERE customer_id = 'ben'") == []


async def test_a_purchase_of_next_week_is_refused(book: Book, engine: AsyncEngine) -> None:
    (outcome,) = await book(bought("R-1", at=25))
    assert (outcome.status, outcome.code) == ("refused", "occurred-in-future")
    assert await rows(engine, "SELECT FROM sale") == []


async def test_a_purchase_and_its_card_at_once_find_each_other(book: Book, engine: AsyncEngine) -> None:
    for number in range(30):
        card, customer = f"{CARD}{number}", f"c-{number}"
        await asyncio.gather(book(card_of(customer, card)), book(bought(f"R-{number}", None, card=card)))
    assert {each["purchases"] for each in await rows(engine, "SELECT purchases FROM customer")} == {1}
    await in_order(engine)


# How they stand with their points


async def test_an_older_balance_never_comes_over_a_newer_one(book: Book, engine: AsyncEngine) -> None:
    outcomes = await book(
        HearStanding("anna", 2, 50, 10), HearStanding("anna", 1, 100, 0), HearStanding("anna", 2, 50, 10)
    )
    assert [each.status for each in outcomes] == ["booked", "repeated", "repeated"]
    (found,) = await rows(engine, "SELECT available, pending FROM customer")
    assert (found["available"], found["pending"]) == (50, 10)


async def test_a_tier_is_as_new_as_what_said_it(book: Book, engine: AsyncEngine) -> None:
    await book(
        HearStanding("anna", 9, 50, 10), HearStanding("anna", 8, tier="Gold"), HearStanding("anna", 5, tier="Basic")
    )
    assert [each["tier"] for each in await rows(engine, "SELECT tier FROM customer")] == ["Gold"]


async def test_what_points_says_is_learnt(engine: AsyncEngine) -> None:
    balance = {"available": 320, "pending": 0, "held": 0}
    opened = {"customer_id": "anna", "card_number": CARD, "enrolled_at": "2025-03-01T09:00:00Z", "balance": balance}
    changed = {"customer_id": "anna", "from": "Basic", "to": "Silver", "since": "2026-11-23", "reason": "earned"}
    blocked = {"customer_id": "anna", "status": "blocked"}
    verdicts = await hear(engine, ("account.opened", opened), ("tier.changed", changed), ("account.changed", blocked))
    assert verdicts == ["accepted", "accepted", "skipped"]
    (found,) = await rows(engine, "SELECT * FROM customer")
    assert (found["available"], found["tier"], found["joined_on"]) == (320, "Silver", dt.date(2025, 3, 1))
    assert [tuple(each.values()) for each in await rows(engine, "SELECT * FROM card")] == [(CARD, "anna")]


# Two that are one


async def test_who_goes_on_as_another_brings_history_profile_and_coupons(book: Book, engine: AsyncEngine) -> None:
    await book(
        bought("R-1", "ben", "10", "wine", at=-1),
        bought("R-2", "anna", "5", "wine", at=1),
        issue(customer="ben"),
        card_of("ben"),
        HearProfile("ben", {"email": "ben@example.com", "phone": "+49 1", "birthday": dt.date(1980, 1, 1)}, NOW),
        HearProfile("anna", {"email": "anna@example.com"}, NOW),
    )
    await book(HearMerge("ben", "anna"), HearStanding("ben", 7, 0, 0))
    await book(HearMerge("ben", "anna"), bought("R-3", "ben", "1", at=2), bought("R-4", None, "1", card=CARD, at=3))
    assert await history(engine) == (4, Decimal(17), -1, 3)
    assert await categories(engine) == {"wine": 2}
    (anna,) = await rows(engine, "SELECT * FROM customer WHERE customer_id = 'anna'")
    assert (anna["email"], anna["phone"], anna["birthday"]) == ("anna@example.com", "+49 1", dt.date(1980, 1, 1))
    (ben,) = await rows(engine, "SELECT * FROM customer WHERE customer_id = 'ben'")
    assert (ben["email"], ben["birthday"], ben["purchases"], ben["points_sequence"]) == (None, None, 0, 0)
    assert [each["customer_id"] for each in await rows(engine, "SELECT customer_id FROM coupon")] == ["anna"]
    await in_order(engine)


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))), ids=str)
async def test_a_chain_of_merges_ends_with_one(book: Book, engine: AsyncEngine, order: tuple[int, ...]) -> None:
    facts: list[Command] = [HearMerge("anna", "ben"), HearMerge("ben", "cleo")]
    await book(bought("R-1", "anna", "1", "a"), bought("R-2", "ben", "2", "a"), bought("R-3", "cleo", "4", "a"))
    for place in (*order, *order):
        await book(facts[place])
    assert await history(engine, "cleo") == (3, Decimal(7), 0, 0)
    assert await categories(engine, "cleo") == {"a": 3}
    await in_order(engine)


async def test_a_no_goes_over_and_a_yes_does_not(book: Book, engine: AsyncEngine) -> None:
    def said(customer: str, purpose: ConsentPurpose, at: float, *, is_given: bool) -> HearConsent:
        return HearConsent(customer, "sms", purpose, is_given, "form", "text", NOW + at * HOUR)

    await book(
        said("anna", "offers", -3, is_given=True),
        said("ben", "offers", -2, is_given=False),
        said("ben", "account", -2, is_given=True),
    )
    await book(HearMerge("ben", "anna"))
    states = "SELECT purpose, state FROM consent WHERE customer_id = 'anna' ORDER BY purpose"
    assert [tuple(each.values()) for each in await rows(engine, states)] == [("offers", "withdrawn")]
    await book(said("ben", "offers", -1, is_given=True))
    assert [tuple(each.values()) for each in await rows(engine, states)] == [("offers", "given")]


# Any order at all

PEOPLE = ("anna", "ben", "cleo", "dora")
CARDS = {"K-1": "anna", "K-2": "ben", "K-3": "cleo"}


def facts_of(random: Random) -> list[Command]:
    """What happened to a few customers with their cards: purchases, refunds, and merges that lead into no circle."""
    facts: list[Command] = [card_of(owner, card) for card, owner in CARDS.items()]
    for number in range(12):
        card = random.choice([None, *CARDS])
        customer = None if card else random.choice([*PEOPLE, None])
        total, invoice = Decimal(random.randint(0, 100)), f"R-{number}"
        found = random.sample(["wine", "bread", "oil"], random.randint(0, 2))
        facts.append(bought(invoice, customer, str(total), *found, card=card, at=-random.randint(0, 99)))
        facts += [took_back(invoice, str(random.randint(0, 60)), str(each)) for each in range(random.randint(0, 2))]
    merges = [("anna", "ben"), ("ben", "cleo"), ("dora", "cleo")]
    return facts + [HearMerge(*each) for each in random.sample(merges, random.randint(0, 3))]


def model(facts: list[Command]) -> dict[str, tuple[int, Decimal, float, float]]:
    """What everybody bought, reckoned from the facts alone."""
    into = {each.customer_id: each.into for each in facts if isinstance(each, HearMerge)}
    histories: dict[str, tuple[int, Decimal, float, float]] = {}
    for sale in (each for each in facts if isinstance(each, UseCoupons)):
        person = sale.customer_id or CARDS.get(sale.card_number or "")
        if person is None:
            continue
        while person in into:
            person = into[person]
        gone = sum(
            each.amount for each in facts if isinstance(each, TakeBack) and each.invoice_number == sale.invoice_number
        )
        at = (sale.occurred_at - NOW) / HOUR
        count, turnover, first, last = histories.get(person, (0, Decimal(0), at, at))
        histories[person] = count + 1, turnover + max(sale.total - gone, Decimal(0)), min(first, at), max(last, at)
    return histories


@pytest.mark.parametrize("seed", range(25))
async def test_any_order_and_repetition_ends_with_the_same_history(book: Book, engine: AsyncEngine, seed: int) -> None:
    random = Random(seed)
    facts = facts_of(random)
    heard = [*facts, *random.sample(facts, len(facts) // 2)]
    random.shuffle(heard)
    while heard:
        batch = random.randint(1, 6)
        await book(*heard[:batch])
        heard = heard[batch:]
    expected = model(facts)
    for person in PEOPLE:
        found = await rows(engine, f"SELECT FROM customer WHERE customer_id = '{person}' AND merged_into IS NULL")
        assert (await history(engine, person) if found and person in expected else None) == expected.get(person)
    await in_order(engine)


async def test_writers_at_once_end_with_the_same_history(book: Book, engine: AsyncEngine) -> None:
    random = Random(4711)
    facts = facts_of(random)
    await asyncio.gather(*(book(each) for each in random.sample([*facts, *facts], 2 * len(facts))))
    expected = model(facts)
    for person, found in expected.items():
        assert await history(engine, person) == found
    await in_order(engine)
