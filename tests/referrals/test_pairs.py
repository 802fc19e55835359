"""The life of a pair on the real database: invited, accepted, completed by both or over, in any order of what is heard."""

import asyncio
import datetime as dt
import itertools
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    CancelPair,
    Command,
    Contact,
    HearCard,
    HearCustomer,
    HearMerge,
    HearPurchase,
    HearTier,
    Outcome,
    Request,
    RetireOffer,
    SettlePair,
)
from services.referrals.lifecycle import Lifecycle
from shared.contracts.referrals import EVENTS
from shared.database import create_engine, transact
from shared.requests import Origin
from tests.referrals.asking import days, events, pair_rewards, pairs, rows, told
from tests.referrals.conftest import NOW, Book, accept, invite, offer, purchase, refund

OVER = NOW + days(31)
BOTH = {"anna": 200, "ben": 200}
NOTHING = {"anna": 0, "ben": 0}
BASKET = purchase("R-1", customer="ben", companion_id="anna")
JOINT: dict[str, Any] = {"kind": "joint_basket"}


def of_anna(invoice: str = "R-2", total: str = "30.00", **more: Any) -> HearPurchase:
    return purchase(invoice, total, "anna", **more)


def codes(outcomes: list[Outcome]) -> list[str | None]:
    return [each.code for each in outcomes]


async def reserved(engine: AsyncEngine) -> int:
    return int((await rows(engine, "SELECT reserved FROM offer"))[0]["reserved"])


# From the invitation to the end


async def test_a_pair_of_which_each_buys_is_rewarded_when_both_did(book: Book, engine: AsyncEngine) -> None:
    await book(offer())
    await book(invite())
    await book(accept())
    await book(purchase())
    assert await pair_rewards(engine) == {}
    await book(of_anna())
    assert await pair_rewards(engine) == BOTH
    assert await told(engine) == [
        ("anna", "pair.invited"),
        ("anna", "pair.accepted"),
        ("ben", "pair.accepted"),
        ("anna", "pair.completed"),
        ("ben", "pair.completed"),
    ]


@pytest.mark.parametrize("basket", [BASKET, of_anna(companion_id="ben")], ids=["the friend's", "the inviter's"])
async def test_one_basket_that_names_the_other_completes_a_pair(
    book: Book, engine: AsyncEngine, basket: HearPurchase
) -> None:
    await book(offer(**JOINT), invite(), accept())
    await book(purchase("R-8", customer="ben"), of_anna("R-9"), purchase("R-7", customer="ben", companion_id="cleo"))
    assert await pair_rewards(engine) == {}
    await book(basket)
    assert await pair_rewards(engine) == BOTH


async def test_a_known_friend_hears_of_the_invitation_and_nobody_else_accepts_it(
    book: Book, engine: AsyncEngine
) -> None:
    await book(offer(), invite(friend="ben"))
    assert await told(engine) == [("anna", "pair.invited"), ("ben", "pair.invited")]
    assert codes(await book(accept(friend="cleo"), accept(), accept(friend="cleo"))) == [
        "pair-taken",
        None,
        "pair-taken",
    ]


async def test_a_basket_without_acceptance_counts_for_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(offer(**JOINT), invite(friend="ben"))
    await book(BASKET)
    assert await pairs(engine) == {"p-1": "invited"}
    await book(accept(at=-0.5))
    assert await pair_rewards(engine) == {}


async def test_every_event_is_one_of_the_contract_and_numbered_for_its_customer(
    book: Book, engine: AsyncEngine
) -> None:
    await book(offer(), invite(friend="ben"), accept(), purchase(), of_anna())
    await book(refund())
    await book(SettlePair("p-1"), now=OVER)
    numbers: dict[str, list[int]] = {}
    for each in await events(engine):
        event = EVENTS.validate_python(each)
        numbers.setdefault(event.subject, []).append(int(event.sequence))
    assert numbers == {"anna": [1, 2, 3, 4, 5], "ben": [1, 2, 3, 4, 5]}


# The order of what is heard


FACTS: list[Command] = [
    accept(),
    purchase("R-1", "100.00", at=-1),
    refund("R-1", "90.00"),
    of_anna("R-2", at=-1),
    purchase("R-3", "50.00", at=1),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::5], ids=str)
async def test_whatever_is_heard_first_it_ends_the_same(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    await book(offer(), invite())
    for place in order:
        await book(FACTS[place])
    for again in FACTS:
        await book(again)
    assert await pair_rewards(engine) == BOTH
    assert await reserved(engine) == 1


async def test_a_refund_takes_back_what_both_got_and_another_purchase_brings_it_again(
    book: Book, engine: AsyncEngine
) -> None:
    await book(offer(), invite(), accept(), purchase(), of_anna())
    await book(refund(amount="81.00"))
    assert await pair_rewards(engine) == NOTHING
    assert await pairs(engine) == {"p-1": "accepted"}
    await book(purchase("R-3", at=1))
    assert await pair_rewards(engine) == BOTH
    await book(refund("R-3"), now=OVER)
    assert await pair_rewards(engine) == NOTHING
    assert (await pairs(engine), await reserved(engine)) == ({"p-1": "expired"}, 0)


async def test_what_was_bought_in_time_counts_though_it_is_heard_after_the_end(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite(), accept(), purchase())
    await book(SettlePair("p-1"), now=OVER)
    assert (await pairs(engine), await reserved(engine)) == ({"p-1": "expired"}, 0)
    await book(of_anna("R-9", at=24 * 31), now=OVER)
    assert await pairs(engine) == {"p-1": "expired"}
    await book(of_anna(), now=OVER)
    assert (await pair_rewards(engine), await reserved(engine)) == (BOTH, 1)


async def test_what_is_heard_after_the_end_finds_no_room_where_others_took_it(book: Book, engine: AsyncEngine) -> None:
    await book(offer(budget=1), invite(), accept(), purchase())
    await book(SettlePair("p-1"), now=OVER)
    later = 24 * 31
    await book(invite("p-2", "cleo", at=later), accept("p-2", "dora", at=later), now=OVER)
    await book(of_anna(), now=OVER)
    assert await pairs(engine) == {"p-1": "expired", "p-2": "accepted"}
    await book(CancelPair("p-2", "a mistake"), now=OVER)
    await book(of_anna("R-9"), now=OVER)
    assert await pair_rewards(engine) == BOTH


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_friend_who_had_bought_is_none_for_an_offer_for_new_ones(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    await book(offer(new_friends_only=True), invite(), accept())
    facts = [purchase("R-1"), of_anna(), purchase("R-0", "1.00", at=-9)]
    for place in order:
        await book(facts[place])
    assert sum((await pair_rewards(engine)).values()) == 0
    assert (await pairs(engine), await reserved(engine)) == ({"p-1": "cancelled"}, 0)


# Cards and merges


async def test_purchases_by_card_count_once_it_is_known_whose_it_is(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite(), accept(), purchase())
    await book(purchase("R-2", customer=None, card_number="4711"))
    assert await pair_rewards(engine) == {}
    await book(HearCard("4711", "anna"))
    assert await pair_rewards(engine) == BOTH


async def test_purchases_by_card_count_though_the_card_is_known_after_the_end(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite(), accept(), purchase(), purchase("R-2", customer=None, card_number="4711"))
    await book(SettlePair("p-1"), now=OVER)
    await book(HearCard("4711", "anna"), now=OVER)
    assert await pair_rewards(engine) == BOTH


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
async def test_a_merged_customer_s_purchases_are_the_other_s(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    await book(offer(), invite())
    facts: list[Command] = [accept(), purchase(), purchase("R-2", customer="old anna"), HearMerge("old anna", "anna")]
    for place in order:
        await book(facts[place])
    assert await pair_rewards(engine) == BOTH


@pytest.mark.parametrize("at_once", [True, False])
async def test_whoever_was_merged_twice_is_the_last(book: Book, engine: AsyncEngine, *, at_once: bool) -> None:
    await book(offer(), invite(), accept(), purchase(), HearMerge("oldest anna", "older anna"))
    merges = [HearMerge("older anna", "old anna"), HearMerge("old anna", "anna")]
    for each in [merges] if at_once else [merges[:1], merges[1:]]:
        await book(*each)
    await book(purchase("R-2", customer="oldest anna"))
    assert await pair_rewards(engine) == BOTH


async def test_a_basket_may_name_a_name_that_the_other_was_merged_from(book: Book, engine: AsyncEngine) -> None:
    await book(offer(**JOINT), invite(), accept())
    await book(HearMerge("old anna", "anna"), HearMerge("ben", "new ben"))
    await book(purchase("R-1", customer="ben", companion_id="old anna"))
    assert await pair_rewards(engine) == {"anna": 200, "new ben": 200}


async def test_two_who_turn_out_to_be_one_get_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite(), accept(), purchase(), of_anna())
    await book(HearMerge("ben", "anna"))
    assert sum((await pair_rewards(engine)).values()) == 0
    assert (await pairs(engine), await reserved(engine)) == ({"p-1": "cancelled"}, 0)


async def test_nobody_is_their_own_friend(book: Book) -> None:
    await book(offer(per_customer=None), invite("p-1"), invite("p-2"), invite("p-3"), HearCard("4711", "cleo"))
    contact, origin = Contact(email_hash=b"one"), Origin("/test", "1", NOW)
    for name in ("anna", "ben"):
        await book(HearCustomer(name, contact, None, None, NOW, origin))
    refused = await book(
        accept("p-1", "anna"), accept("p-2", "ben"), invite("p-4", friend="ben"), accept("p-3", "cleo")
    )
    assert codes(refused) == ["friend-is-oneself", "friend-is-oneself", "friend-is-oneself", None]


# Who may, and how many


async def test_regular_customers_come_first(book: Book) -> None:
    early: dict[str, Any] = {"tiers": ["gold"], "valid_from": (NOW - days(1)).isoformat()}
    await book(offer(valid_from=(NOW + days(1)).isoformat(), early_access=early), HearTier("anna", "gold"))
    assert codes(await book(invite("p-1", "cleo"), invite("p-2"), accept("p-2"))) == ["offer-not-yet", None, None]


async def test_what_is_over_or_retired_neither_begins_nor_is_accepted(book: Book, engine: AsyncEngine) -> None:
    await book(offer("winter", valid_until=NOW.isoformat()), offer("spring", per_customer=None))
    assert codes(await book(invite())) == ["offer-over"]
    await book(invite("p-2", of="spring"), invite("p-3", of="spring"), accept("p-2"))
    assert codes(await book(RetireOffer("spring", "enough"), accept("p-3"), invite("p-4", of="spring"))) == [
        None,
        "offer-retired",
        "offer-retired",
    ]
    await book(purchase(), of_anna())
    assert await pair_rewards(engine) == BOTH


async def test_a_customer_is_of_so_many_pairs_whichever_side(book: Book) -> None:
    await book(offer(per_customer=2), *(invite(f"p-{n}", name) for n, name in enumerate(("anna", "cleo", "dora"))))
    assert codes(await book(accept("p-0"), accept("p-1"), accept("p-2"))) == [None, None, "offer-limit-reached"]
    assert codes(await book(invite("p-3", "ben"))) == ["offer-limit-reached"]
    assert codes(await book(invite("p-4"), invite("p-5"))) == [None, "offer-limit-reached"]
    assert codes(await book(CancelPair("p-4", "never mind"), invite("p-6"), invite("p-7"))) == [
        None,
        None,
        "offer-limit-reached",
    ]


async def test_an_invitation_that_is_over_makes_room_though_no_job_ran(book: Book) -> None:
    await book(offer(), invite())
    assert codes(await book(invite("p-2"))) == ["offer-limit-reached"]
    assert codes(await book(invite("p-3"), accept("p-1"), now=OVER)) == [None, "pair-expired"]


async def test_a_hundred_who_accept_at_once_share_a_budget_of_thirty(referrals_url: str, book: Book) -> None:
    await book(offer(budget=30), *(invite(f"p-{n}", f"c-{n}") for n in range(100)))
    engines = [create_engine(referrals_url, name=f"process {n}", pool_size=10) for n in range(2)]
    lifecycles = [Lifecycle() for _ in engines]

    async def one(number: int) -> Outcome:
        request = Request([accept(f"p-{number}", f"f-{number}")])
        engine, lifecycle = engines[number % 2], lifecycles[number % 2]
        replies = await transact(engine, lambda connection: lifecycle.book(connection, [request], now=NOW))
        return replies[0].outcomes[0]

    found = codes(await asyncio.gather(*(one(number) for number in range(100))))
    assert (found.count(None), found.count("offer-used-up")) == (30, 70)
    assert await reserved(engines[0]) == 30
    for engine in engines:
        await engine.dispose()


async def at_once(url: str, *commands: Command) -> None:
    """Book each in a transaction of its own, all at the same time."""
    engine = create_engine(url, name="processes", pool_size=10)

    async def one(command: Command) -> None:
        lifecycle = Lifecycle()
        await transact(engine, lambda connection: lifecycle.book(connection, [Request([command])], now=NOW))

    await asyncio.gather(*(one(each) for each in commands))
    await engine.dispose()


async def test_a_basket_and_the_acceptance_that_are_booked_at_once_complete_the_pair(
    referrals_url: str, book: Book, engine: AsyncEngine
) -> None:
    await book(offer(**JOINT, per_customer=None), *(invite(f"p-{n}", f"c-{n}") for n in range(20)))
    baskets = [purchase(f"R-{n}", customer=f"f-{n}", companion_id=f"c-{n}") for n in range(20)]
    accepts = [accept(f"p-{n}", f"f-{n}") for n in range(20)]
    await at_once(referrals_url, *(each for both in zip(baskets, accepts, strict=True) for each in both))
    assert set((await pairs(engine)).values()) == {"completed"}
    assert len(await pair_rewards(engine)) == 40


async def test_a_purchase_by_card_and_whose_it_is_that_are_booked_at_once_complete_the_pair(
    referrals_url: str, book: Book, engine: AsyncEngine
) -> None:
    await book(offer(**JOINT, per_customer=None))
    await book(*(invite(f"p-{n}", f"c-{n}") for n in range(20)), *(accept(f"p-{n}", f"f-{n}") for n in range(20)))
    by_card = [purchase(f"R-{n}", customer=None, card_number=f"card-{n}", companion_id=f"c-{n}") for n in range(20)]
    cards = [HearCard(f"card-{n}", f"f-{n}") for n in range(20)]
    await at_once(referrals_url, *(each for both in zip(by_card, cards, strict=True) for each in both))
    assert set((await pairs(engine)).values()) == {"completed"}


# Repeats and ends


async def test_a_repeat_is_answered_as_the_first_time(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite(), accept(), purchase(), of_anna())
    again = await book(accept(), purchase(), of_anna(), offer())
    assert [each.status for each in again] == ["repeated"] * 4
    assert await pair_rewards(engine) == BOTH


async def test_a_pair_is_cancelled_before_it_is_complete_and_never_after(book: Book, engine: AsyncEngine) -> None:
    await book(offer(per_customer=None), invite("p-1"), invite("p-2"), accept("p-1"), accept("p-2"))
    ended = await book(CancelPair("p-2", "a mistake"), CancelPair("p-2", "again"))
    assert [each.status for each in ended] == ["booked", "repeated"]
    await book(purchase(), of_anna())
    assert codes(await book(CancelPair("p-1", "too late"), accept("p-2", "cleo"))) == ["pair-completed", "pair-taken"]
    assert await pairs(engine) == {"p-1": "completed", "p-2": "cancelled"}


async def test_a_pair_keeps_what_its_offer_was_when_it_began(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite())
    dearer: dict[str, Any] = {"minimum": "500.00", "benefit": {"kind": "points", "points": 1}}
    await book(offer(is_new=False, **dearer), accept(), purchase(), of_anna())
    assert await pair_rewards(engine) == BOTH


async def test_an_offer_never_has_less_room_than_pairs(book: Book) -> None:
    await book(offer(budget=3, per_customer=None), *(invite(f"p-{n}") for n in range(3)), accept("p-0"), accept("p-1"))
    smaller = await book(
        offer(is_new=False, budget=1, per_customer=None), offer(is_new=False, budget=3, per_customer=2)
    )
    assert codes(smaller) == ["budget-below-pairs", "limit-below-pairs"]
    assert codes(await book(offer(is_new=False, budget=2, per_customer=3), accept("p-2"))) == [None, "offer-used-up"]


async def test_what_is_not_there_is_said(book: Book) -> None:
    unknown = await book(
        accept("p-9"), CancelPair("p-9", "?"), invite(), RetireOffer("winter", "?"), offer(is_new=False)
    )
    assert codes(unknown) == ["pair-unknown", "pair-unknown", "offer-unknown", "offer-unknown", "offer-unknown"]
    assert codes(await book(offer(), offer(minimum="1"), offer("x", default_language="fr"))) == [
        None,
        "offer-exists",
        "offer-faulty",
    ]


async def test_time_is_over_at_the_instant_and_not_before(book: Book, engine: AsyncEngine) -> None:
    await book(offer(), invite(), accept(at=0))
    ends = NOW + days(30)
    await book(SettlePair("p-1"), now=ends - dt.timedelta(microseconds=1))
    assert await pairs(engine) == {"p-1": "accepted"}
    await book(SettlePair("p-1"), now=ends)
    assert await pairs(engine) == {"p-1": "expired"}
    assert (await told(engine))[-2:] == [("anna", "pair.expired"), ("ben", "pair.expired")]
