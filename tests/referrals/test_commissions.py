"""What partners earn, on the real database: held, due, paid, taken back, in any order of what is heard."""

import asyncio
import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    AddPartnerCode,
    Command,
    Contact,
    HearMerge,
    OpenPartner,
    PayPartner,
    RejectClaim,
    RetirePartner,
    SetTerms,
)
from services.referrals.jobs import jobs
from services.referrals.service import ReferralsService
from services.referrals.terms import Terms
from services.referrals.verification import verify
from shared.contracts.referrals import EVENTS
from tests.referrals.asking import days, events, rows, states, told
from tests.referrals.conftest import CONTACTS, NOW, Book, claim, code, publish, purchase, refund

WINE = "WINEBLOG"
AFTER_HOLD = NOW + days(30.5)
NOVEMBER, DECEMBER, JANUARY = dt.date(2026, 11, 1), dt.date(2026, 12, 1), dt.date(2027, 1, 1)
TEN_PERCENT = {"kind": "share", "percent": "10"}


def terms(**said: Any) -> Terms:
    """Ten percent of every sale for a year, unless it is said otherwise."""
    return Terms.model_validate({"commission": TEN_PERCENT, "months": 12} | said)


def partner(name: str = "wine", spelled: str = WINE, **said: Any) -> list[Command]:
    return [OpenPartner(name, f"The {name} blog", "en", terms(**said), "tester"), AddPartnerCode(name, spelled)]


def pay(month: dt.date, reference: str = "T-1", *, name: str = "wine") -> PayPartner:
    return PayPartner(name, month, reference, "tester")


async def commissions(engine: AsyncEngine) -> dict[str, str]:
    """What each sale earns, and how far it is."""
    found = await rows(engine, "SELECT invoice_number, status, amount FROM commission")
    return {each["invoice_number"]: f"{each['status']} {each['amount'].normalize():f}" for each in found}


async def lines(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    found = await rows(engine, "SELECT month, invoice_number, amount FROM statement_line ORDER BY partner_id, number")
    return [(f"{each['month']:%Y-%m}", each["invoice_number"], f"{each['amount']:.2f}") for each in found]


async def test_each_sale_earns_its_share_once_its_hold_is_over(book: Book, engine: AsyncEngine) -> None:
    await book(*partner())
    await book(claim(spelled=WINE), purchase("R-1", "100.00"), purchase("R-2", "24.90", shipping="4.90", at=1))
    assert await commissions(engine) == {"R-1": "held 10", "R-2": "held 2"}
    await book(purchase("R-3", "10.05", at=23), now=AFTER_HOLD)
    assert await commissions(engine) == {"R-1": "due 10", "R-2": "due 2", "R-3": "held 1"}
    assert await lines(engine) == [("2026-12", "R-1", "10.00"), ("2026-12", "R-2", "2.00")]
    assert [each for each in await told(engine) if each[0] == "wine"] == [
        ("wine", "referral.registered"),
        *[("wine", "referral.qualified")] * 2,
        *[("wine", "referral.rewarded")] * 2,
        ("wine", "referral.qualified"),
    ]


async def right(engine: AsyncEngine) -> bool:
    """Whether every invariant holds."""
    async with engine.connect() as connection:
        return await verify(connection) == []


async def settled(engine: AsyncEngine, now: dt.datetime) -> None:
    """Run the job that settles what is due, as of an instant."""
    service = ReferralsService(engine, clock=lambda: now, contacts=CONTACTS)
    await jobs(service, engine)[0].work(lambda _done, _of: None)


async def test_every_event_of_a_partner_is_one_of_the_contract_and_numbered(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(), claim(spelled=WINE), purchase("R-1"), purchase("R-2", at=1))
    await book(refund("R-1", "50.00"), refund("R-2"), now=AFTER_HOLD)
    await book(RejectClaim(f"ben claims {WINE}", "staff", "made up"), now=AFTER_HOLD)
    said = [EVENTS.validate_python(each) for each in await events(engine)]
    of_partner = [each for each in said if each.subject == "wine"]
    assert [int(each.sequence) for each in of_partner] == [*range(1, len(of_partner) + 1)]
    assert {each.data.partner_id for each in of_partner} == {"wine"}
    taken_back = [each.data.taken_back for each in of_partner if each.type == "loyalty.referral.reversed.v1"]
    assert [str(each.amount) for each in taken_back] == ["5.00", "10.00", "5.00"]
    assert len({each.id for each in said}) == len(said)
    assert await right(engine)


FACTS: list[Command] = [
    claim(spelled=WINE),
    purchase("R-1", "99.99", at=-1),
    refund("R-1", "33.33"),
    refund("R-1", "33.33", "2"),
    purchase("R-2", "50.00", at=1),
]


@pytest.mark.parametrize("order", [*itertools.permutations(range(5))][::6], ids=str)
async def test_whatever_is_heard_first_a_partner_gets_the_same(
    book: Book, engine: AsyncEngine, order: tuple[int, ...]
) -> None:
    await book(*partner())
    for place in order:
        await book(FACTS[place])
    for again in FACTS:
        await book(again)
    assert await commissions(engine) == {"R-1": "held 3.33", "R-2": "held 5"}
    await settled(engine, AFTER_HOLD)
    assert await lines(engine) == [("2026-12", "R-1", "3.33"), ("2026-12", "R-2", "5.00")]


async def test_of_the_first_sale_only_the_first_that_is_big_enough_earns_refunds_considered(
    book: Book, engine: AsyncEngine
) -> None:
    await book(*partner(months=None, minimum="50.00", commission={"kind": "fixed", "amount": "7.00"}))
    await book(claim(spelled=WINE), purchase("R-1", "49.99"), purchase("R-2", "60.00", at=1), purchase("R-3", at=2))
    assert await commissions(engine) == {"R-2": "held 7"}
    await book(refund("R-2", "10.01"))
    assert await commissions(engine) == {"R-2": "reversed 0", "R-3": "held 7"}
    assert await lines(engine) == []


async def test_an_earlier_sale_that_arrives_late_takes_the_place_of_the_first(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(months=None), claim(spelled=WINE), purchase("R-2", "60.00", at=1))
    await book(purchase("R-1", "40.00", at=0), now=AFTER_HOLD)
    assert await commissions(engine) == {"R-1": "due 4", "R-2": "reversed 0"}
    await book(refund("R-1", "40.00"), now=AFTER_HOLD)
    assert await commissions(engine) == {"R-1": "reversed 0", "R-2": "due 6"}
    assert [amount for _, _, amount in await lines(engine)] == ["6.00", "-6.00", "4.00", "-4.00", "6.00"]
    named = [each["data"].get("reward_id") for each in await events(engine) if each["type"].endswith("rewarded.v1")]
    assert len(set(named)) == len(named)
    assert await right(engine)


async def test_a_sale_in_another_currency_earns_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(), claim(spelled=WINE), purchase("R-1", currency="CHF"))
    assert await commissions(engine) == {}


async def test_a_referral_keeps_the_terms_under_which_it_was_claimed(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(), claim(spelled=WINE))
    await book(SetTerms("wine", terms(commission={"kind": "share", "percent": "20"}), "tester"))
    await book(claim("cleo", WINE, at=1), claim("dora", WINE, at=-1))
    for friend in ("ben", "cleo", "dora"):
        await book(purchase(f"R-{friend}", customer=friend, at=2))
    assert await commissions(engine) == {"R-ben": "held 10", "R-cleo": "held 20", "R-dora": "held 10"}


async def test_under_review_nothing_is_earned_and_what_is_accepted_earns_from_its_claim(
    book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, claims_per_address=1, review_deadline="accept", review_days=1)
    await book(*partner())
    for friend in ("ben", "cleo"):
        contact = Contact(address_hash=b"one address")
        await book(claim(friend, WINE, contact=contact), purchase(f"R-{friend}", customer=friend))
    assert await commissions(engine) == {"R-ben": "held 10"}
    await settled(engine, NOW + days(2))
    assert await commissions(engine) == {"R-ben": "held 10", "R-cleo": "held 10"}


async def test_a_friend_belongs_to_whose_claim_came_first_customer_or_partner(book: Book, engine: AsyncEngine) -> None:
    await book(code(), *partner(), *partner("beer", "BEERBLOG"))
    await book(claim("ben", WINE), claim("ben", at=-3), claim("ben", "BEERBLOG"))
    await book(claim("cleo"), claim("cleo", WINE))
    await book(purchase("R-1"), purchase("R-2", customer="cleo"))
    assert await commissions(engine) == {"R-1": "held 10"}
    (of_beer,) = await rows(engine, "SELECT reason FROM referral WHERE partner_id = 'beer'")
    assert of_beer["reason"] == "referred-already"


async def test_a_claim_that_is_rejected_takes_back_what_it_earned_and_frees_the_friend_for_another(
    book: Book, engine: AsyncEngine
) -> None:
    await book(*partner(), *partner("beer", "BEERBLOG"), claim(spelled=WINE), purchase())
    await settled(engine, AFTER_HOLD)
    await book(
        RejectClaim(f"ben claims {WINE}", "staff", "made up"),
        claim(spelled="BEERBLOG"),
        now=AFTER_HOLD,
    )
    found = await rows(engine, "SELECT partner_id, amount::text FROM statement_line ORDER BY partner_id, number")
    assert [tuple(each.values()) for each in found] == [
        ("beer", "10.0000"),
        ("wine", "10.0000"),
        ("wine", "-10.0000"),
    ]
    assert await right(engine)


async def test_an_earlier_purchase_takes_everything_back(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(), claim(spelled=WINE), purchase())
    await book(purchase("R-0", "5.00", at=-3), now=AFTER_HOLD)
    assert await states(engine) == {"ben": "bought-before"}
    assert [amount for _, _, amount in await lines(engine)] == ["10.00", "-10.00"]


async def test_a_retired_partners_codes_claim_nothing_and_what_they_claimed_goes_on_earning(
    book: Book, engine: AsyncEngine
) -> None:
    await book(*partner(), claim(spelled=WINE), RetirePartner("wine", "contract ended"))
    await book(claim("cleo", WINE), purchase("R-1"), purchase("R-2", customer="cleo"))
    assert await states(engine) == {"ben": "qualified", "cleo": "code-retired"}
    assert await commissions(engine) == {"R-1": "held 10"}


async def test_terms_that_do_not_hold_yet_claim_nothing(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(valid_from="2026-12-01T00:00:00Z"), claim(spelled=WINE))
    assert await states(engine) == {"ben": "programme-closed"}


async def test_a_customer_who_goes_on_as_another_keeps_earning(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(), claim(spelled=WINE), purchase("R-1"))
    await book(HearMerge("ben", "benjamin"))
    await book(purchase("R-2", customer="benjamin", at=1))
    assert await commissions(engine) == {"R-1": "held 10", "R-2": "held 10"}


# Payouts


async def test_a_payout_closes_its_month_and_what_is_taken_back_later_stands_on_the_next_statement(
    book: Book, engine: AsyncEngine
) -> None:
    await book(*partner(), claim(spelled=WINE), purchase("R-1"), purchase("R-2", "50.00", at=1))
    await settled(engine, AFTER_HOLD)
    (early,) = await book(pay(DECEMBER), now=AFTER_HOLD)
    assert early.code == "month-not-over"
    later = NOW + days(50)
    (paid, again, other) = await book(pay(DECEMBER), pay(DECEMBER), pay(DECEMBER, "T-2"), now=later)
    assert paid.payout is not None
    assert (paid.payout.amount, again.status, other.code) == (Decimal("15.00"), "repeated", "statement-paid")
    await book(refund("R-1", "40.00"), now=later)
    assert (await lines(engine))[-1] == ("2027-01", "R-1", "-4.00")
    (nothing,) = await book(pay(JANUARY, "T-3"), now=NOW + days(80))
    assert nothing.code == "nothing-to-pay"
    # one that is heard of so late that its hold is over
    await book(purchase("R-3"), now=NOW + days(81))
    (paid,) = await book(pay(dt.date(2027, 2, 1), "T-4"), now=NOW + days(105))
    assert paid.payout is not None
    assert paid.payout.amount == Decimal("6.00")
    assert await right(engine)


async def test_a_statement_that_was_paid_is_closed_even_for_a_clock_that_is_behind(
    book: Book, engine: AsyncEngine
) -> None:
    await book(*partner(), claim(spelled=WINE), purchase("R-1"))
    await settled(engine, AFTER_HOLD)
    await book(pay(DECEMBER), now=NOW + days(40))
    await book(refund("R-1", "40.00"), now=AFTER_HOLD)
    assert (await lines(engine))[-1] == ("2027-01", "R-1", "-4.00")


async def test_two_concurrent_payouts_pay_once(book: Book, engine: AsyncEngine) -> None:
    await book(*partner(), claim(spelled=WINE), purchase("R-1"))
    await settled(engine, AFTER_HOLD)
    attempts = [book(pay(DECEMBER, f"T-{number}"), now=NOW + days(40)) for number in range(6)]
    found = [outcome.code or outcome.status for (outcome,) in await asyncio.gather(*attempts)]
    assert sorted(found) == ["booked", *["statement-paid"] * 5]
    assert len(await rows(engine, "SELECT FROM payout")) == 1
