"""The life of a referral on the real database: claimed, qualified, rewarded, reversed, in any order of what is heard."""

import itertools
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    AcceptClaim,
    ChooseCode,
    Command,
    HearCard,
    HearMerge,
    RejectClaim,
    RetireCode,
    SettleReferral,
)
from shared.contracts.referrals import EVENTS
from tests.referrals.asking import days, events, rewards, rows, states, told
from tests.referrals.conftest import CODE, NOW, Book, claim, code, publish, purchase, refund

AFTER_HOLD = NOW + days(15)
SETTLED = SettleReferral("ben claims 7K2M-9QFS", "ben")


async def test_a_friend_who_buys_is_rewarded_at_once_and_the_referrer_after_the_hold(
    book: Book, engine: AsyncEngine
) -> None:
    await book(code())
    await book(claim())
    await book(purchase())
    assert await rewards(engine) == {"ben": 200}
    await book(SETTLED, now=AFTER_HOLD)
    assert await rewards(engine) == {"ben": 200, "anna": 500}
    assert await states(engine) == {"ben": "rewarded"}
    assert await told(engine) == [
        ("ben", "referral.registered"),
        ("anna", "referral.registered"),
        ("ben", "referral.qualified"),
        ("anna", "referral.qualified"),
        ("ben", "referral.rewarded"),
        ("anna", "referral.rewarded"),
    ]


async def test_every_event_is_one_of_the_contract_and_numbered_for_its_customer(
    book: Book, engine: AsyncEngine
) -> None:
    await book(code(), claim(), purchase())
    await book(SETTLED, now=AFTER_HOLD)
    await book(refund(), now=AFTER_HOLD)
    numbers: dict[str, list[int]] = {}
    for each in await events(engine):
        event = EVENTS.validate_python(each)
        numbers.setdefault(event.subject, []).append(int(event.sequence))
    assert numbers == {name: [*range(1, len(found) + 1)] for name, found in numbers.items()}
    assert numbers.keys() == {"anna", "ben"}


FACTS: list[Command] = [
    claim(),
    purchase("R-1", "100.00", at=-1),
    refund("R-1", "90.00"),
    purchase("R-2", "50.00", at=1),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
async def test_whatever_is_heard_first_it_ends_the_same(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    await book(code())
    for place in order:
        await book(FACTS[place])
    for again in FACTS:
        await book(again)
    assert await rewards(engine) == {"ben": 200}
    await book(SETTLED, now=AFTER_HOLD)
    assert await rewards(engine) == {"ben": 200, "anna": 500}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_purchase_before_the_claim_counts_against_it_whenever_it_is_heard(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    await book(code())
    facts = [claim(), purchase("R-1", at=-1), purchase("R-0", "5.00", at=-3)]
    for place in order:
        await book(facts[place])
    assert await states(engine) == {"ben": "bought-before"}
    assert sum((await rewards(engine)).values()) == 0


async def test_a_refund_within_the_hold_cancels_what_the_referrer_waits_for(book: Book, engine: AsyncEngine) -> None:
    await book(code(), claim(), purchase())
    await book(refund(amount="85.00"))
    await book(SETTLED, now=AFTER_HOLD)
    assert await rewards(engine) == {"ben": 0}
    assert await states(engine) == {"ben": "claimed"}


async def test_a_refund_after_the_hold_takes_both_rewards_back(book: Book, engine: AsyncEngine) -> None:
    await book(code(), claim(), purchase())
    # nobody has run the job: what was due is booked first
    await book(refund(), now=AFTER_HOLD)
    assert await rewards(engine) == {"ben": 0, "anna": 0}
    assert ("anna", "referral.rewarded") in await told(engine)


async def test_a_small_purchase_does_not_qualify_and_a_later_one_does(book: Book, engine: AsyncEngine) -> None:
    await book(code(), claim(), purchase("R-1", "19.99"))
    assert await rewards(engine) == {}
    await book(purchase("R-2", "24.90", shipping="4.90", at=1))
    assert await rewards(engine) == {"ben": 200}


async def test_a_purchase_with_a_code_claims_it_and_qualifies_at_once(book: Book, engine: AsyncEngine) -> None:
    await book(code())
    for _ in range(3):
        await book(purchase("R-1", referral_code="7k2m 9qfs"))
    assert await rewards(engine) == {"ben": 200}
    assert await states(engine) == {"ben": "qualified"}


async def test_the_first_valid_claim_wins_and_a_rejected_one_frees_the_friend(book: Book, engine: AsyncEngine) -> None:
    await book(code(), code("carl", "4T3H-B7KM"))
    (first,) = await book(claim(spelled="4T3H-B7KM", at=-3))
    (second,) = await book(claim(name="too late"))
    assert first.referral is not None
    assert second.referral is not None
    assert (second.referral.status, second.referral.reason) == ("rejected", "referred-already")
    await book(RejectClaim(first.referral.referral_id, "staff", "made up"), claim(name="again"), purchase())
    assert (await rewards(engine)) == {"ben": 200}
    await book(SettleReferral("again", "ben"), now=AFTER_HOLD)
    assert (await rewards(engine)) == {"ben": 200, "anna": 500}


async def test_a_circle_is_refused(book: Book, engine: AsyncEngine) -> None:
    await book(code(), code("ben", "4T3H-B7KM"), claim())
    await book(claim("anna", "4T3H-B7KM"))
    assert await states(engine) == {"ben": "claimed", "anna": "circle"}


async def test_a_friend_who_turns_out_to_be_the_referrer_gets_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(code(), claim(), purchase())
    await book(HearMerge("ben", "anna"))
    assert await states(engine) == {"ben": "own-code"}
    assert sum((await rewards(engine)).values()) == 0


async def test_the_ladder_is_climbed_and_left_with_the_count_of_rewarded_referrals(
    book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, ladder=[{"count": 2, "benefit": {"kind": "points", "points": 1000}}], hold_days=0)
    await book(code())
    for friend in ("ben", "cleo", "dora"):
        await book(claim(friend), purchase(f"R-{friend}", customer=friend))
    assert (await rewards(engine))["anna"] == 3 * 500 + 1000
    await book(refund("R-ben"), refund("R-cleo"))
    assert (await rewards(engine))["anna"] == 500
    await book(purchase("R-again", customer="ben", at=0.5), now=NOW + days(1))
    assert (await rewards(engine))["anna"] == 2 * 500 + 1000


async def test_rewards_above_the_cap_of_a_month_are_not_given_and_a_refund_makes_no_room(
    book: Book, engine: AsyncEngine
) -> None:
    limits: dict[str, Any] = {"rewards_per_referrer_and_month": 2, "claims_per_referrer_and_day": None}
    await publish(engine, ladder=[], hold_days=0, review_deadline="accept", review_days=1, **limits)
    await book(code())
    for friend in ("ben", "cleo"):
        await book(claim(friend), purchase(f"R-{friend}", customer=friend))
    await book(refund("R-ben"))
    await book(claim("dora"))
    assert (await states(engine))["dora"] == "velocity"
    await book(purchase("R-dora", customer="dora"), now=NOW + days(2))
    assert await rewards(engine) == {"ben": 0, "anna": 500, "cleo": 200, "dora": 200}


async def test_a_code_claimed_by_a_purchase_with_a_card_counts_when_the_card_is_known(
    book: Book, engine: AsyncEngine
) -> None:
    await book(code())
    await book(purchase("R-1", customer=None, card_number="CARD-1", referral_code="7K2M9QFS"))
    assert await rewards(engine) == {}
    await book(HearCard("CARD-1", "ben"))
    assert await rewards(engine) == {"ben": 200}
    await book(purchase("R-2", customer=None, card_number="CARD-1", referral_code="7K2M9QFS"))
    assert await states(engine) == {"ben": "qualified"}


async def test_a_drawn_code_that_is_taken_stays_with_its_owner(book: Book, engine: AsyncEngine) -> None:
    await book(code())
    (second,) = await book(code("carl"))
    assert (second.status, second.code) == ("refused", "code-taken")
    (again,) = await book(code("anna", "4T3H-B7KM"))
    assert again.named is not None
    assert again.named.code == "7K2M-9QFS"
    assert [each["customer_id"] for each in await rows(engine, "SELECT customer_id FROM code")] == ["anna"]


async def test_another_choice_retires_the_one_before(book: Book, engine: AsyncEngine) -> None:
    await book(ChooseCode("anna", "ANNAS"), ChooseCode("anna", "WINE"))
    await book(ChooseCode("anna", "WINES"))
    live = await rows(engine, "SELECT code FROM code WHERE retired_at IS NULL")
    assert [each["code"] for each in live] == ["WINES"]


@pytest.mark.parametrize("is_known_first", [True, False])
async def test_a_purchase_by_card_claims_its_code_and_qualifies(
    book: Book, engine: AsyncEngine, *, is_known_first: bool
) -> None:
    facts: list[Command] = [
        HearCard("SHOP-1", "ben"),
        purchase(customer=None, card_number="SHOP-1", referral_code=CODE),
    ]
    await book(code())
    for fact in facts if is_known_first else reversed(facts):
        await book(fact)
    assert await rewards(engine) == {"ben": 200}


async def test_a_friend_who_is_merged_keeps_what_they_were_given(book: Book, engine: AsyncEngine) -> None:
    await book(code(), claim(), purchase())
    await book(HearMerge("ben", "bernhard"))
    await book(SETTLED, now=AFTER_HOLD)
    await book(purchase("R-2", customer="bernhard"), now=AFTER_HOLD)
    assert await states(engine) == {"ben": "rewarded"}
    assert await rewards(engine) == {"ben": 200, "anna": 500}


async def test_two_referrers_who_are_one_share_their_cap_and_their_ladder(book: Book, engine: AsyncEngine) -> None:
    ladder = [{"count": 2, "benefit": {"kind": "points", "points": 1000}}]
    await publish(engine, hold_days=0, ladder=ladder, rewards_per_referrer_and_month=4)
    await book(code(), code("anna-2", "4T3H-B7KM"))
    for friend, spelled in (("ben", CODE), ("cleo", CODE), ("dora", "4T3H-B7KM"), ("emil", "4T3H-B7KM")):
        await book(claim(friend, spelled), purchase(f"R-{friend}", customer=friend))
    await book(HearMerge("anna-2", "anna"), claim("fritz"))
    assert (await states(engine))["fritz"] == "velocity"
    await book(AcceptClaim(f"fritz claims {CODE}", "staff"), purchase("R-fritz", customer="fritz"))
    assert await rows(engine, "SELECT status FROM reward WHERE referral_id LIKE 'fritz%' AND side = 'referrer'") == [
        {"status": "capped"}
    ]
    await book(*(refund(f"R-{friend}") for friend in ("ben", "cleo", "dora")))
    assert (await rewards(engine))["anna"] + (await rewards(engine))["anna-2"] == 500 + 2 * 1000
    await book(refund("R-emil"))
    assert (await rewards(engine))["anna"] + (await rewards(engine))["anna-2"] == 0


async def test_a_claim_that_was_refused_can_be_looked_at_while_another_counts(book: Book) -> None:
    await book(code(), code("carl", "4T3H-B7KM"), claim())
    await book(claim(spelled="4T3H-B7KM", name="refused"))
    (outcome,) = await book(RejectClaim("refused", "staff", "looked at"))
    assert outcome.status == "repeated"


async def test_a_customer_whose_code_was_retired_gets_no_other(book: Book) -> None:
    await book(code(), RetireCode(CODE, "posted everywhere"))
    (outcome,) = await book(code(drawn="4T3H-B7KM"))
    assert (outcome.status, outcome.code) == ("refused", "code-retired")
