"""Reports on books that the lifecycle itself has written: what a few recommendations must come to."""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    AcceptClaim,
    AddPartnerCode,
    HearMerge,
    OpenPartner,
    RejectClaim,
    SettleReferral,
    ShareCode,
)
from services.referrals.reports.catalogue import REPORTS
from services.referrals.reports.reader import referrals_reports
from services.referrals.terms import Terms
from shared.reports.reader import Reports
from tests.referrals.asking import days
from tests.referrals.conftest import CODE, NOW, Book, claim, code, publish, purchase, refund

FIRST, END = dt.date(2026, 10, 1), dt.date(2026, 12, 1)
AFTER_HOLD = NOW + days(15)
A_MONTH_AGO = -30 * 24
COUPON = {"kind": "coupon", "coupon": {"value": {"kind": "shipping"}}}


@pytest.fixture
async def reports(engine: AsyncEngine) -> AsyncIterator[Reports]:
    made = referrals_reports(engine, clock=lambda: NOW)
    yield made
    await made.close()


async def records(reports: Reports, name: str, **narrowing: Any) -> list[dict[str, Any]]:
    return (await reports.read(REPORTS[name], first=FIRST, end=END, narrowing=narrowing)).records()


def settled(friend: str) -> SettleReferral:
    return SettleReferral(f"{friend} claims {CODE}", friend)


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_can_be_read_from_empty_books(reports: Reports, name: str) -> None:
    answer = await reports.read(REPORTS[name])
    assert all(len(row) == len(answer.report.columns) for row in answer.findings.rows)
    assert len(answer.findings.summary) == len(answer.report.summary)


STEPS = ("shared", "claims", "rejected", "review", "claimed", "qualified", "rewarded", "reversed")


async def steps(reports: Reports, **narrowing: Any) -> tuple[int, ...]:
    """What the funnel says of November; of October it says that nothing was."""
    october, november = await records(reports, "funnel", **narrowing)
    assert not any(october[name] for name in STEPS)
    return tuple(november[name] for name in STEPS)


async def test_a_recommendation_goes_down_the_funnel_and_a_refund_takes_it_back(reports: Reports, book: Book) -> None:
    await book(code(), ShareCode(CODE, "mail"), ShareCode(CODE, "chat"), ShareCode(CODE, "chat"))
    assert await steps(reports) == (3, 0, 0, 0, 0, 0, 0, 0)
    await book(claim())
    assert await steps(reports) == (3, 1, 0, 0, 1, 0, 0, 0)
    await book(purchase())
    assert await steps(reports) == (3, 1, 0, 0, 1, 1, 0, 0)
    await book(settled("ben"), now=AFTER_HOLD)
    assert await steps(reports) == (3, 1, 0, 0, 1, 1, 1, 0)
    await book(refund(), now=AFTER_HOLD)
    assert await steps(reports) == (3, 1, 0, 0, 1, 0, 0, 1)
    await book(purchase("R-2", at=1), now=AFTER_HOLD)
    assert await steps(reports) == (3, 1, 0, 0, 1, 1, 1, 1)


async def test_a_bonus_of_the_ladder_that_is_taken_back_reverses_no_other_referral(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, hold_days=0, ladder=[{"count": 2, "benefit": {"kind": "points", "points": 1000}}])
    await book(code())
    for friend in ("ben", "cleo"):
        await book(claim(friend), purchase(f"R-{friend}", customer=friend))
    await book(refund("R-ben"))
    assert await steps(reports) == (0, 2, 0, 0, 2, 1, 1, 1)


async def test_claims_that_wait_or_were_refused_are_told_apart(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    await publish(engine, claims_per_referrer_and_day=2)
    await book(code(), claim("ben"), claim("cleo"), claim("dora"), claim("anna"), claim("emil", "2222-2222"))
    await book(RejectClaim(f"cleo claims {CODE}", "staff", "made up"))
    assert await steps(reports) == (0, 5, 3, 1, 1, 0, 0, 0)
    assert await steps(reports, code=CODE.lower()) == (0, 4, 2, 1, 1, 0, 0, 0)
    assert await steps(reports, code="nobody's") == (0,) * 8


async def test_claims_and_purchases_count_in_local_days(reports: Reports, book: Book, engine: AsyncEngine) -> None:
    await publish(engine, time_zone="Europe/Berlin")
    midnight = dt.datetime(2026, 10, 31, 23, 30, tzinfo=dt.UTC)
    late = (midnight - NOW).total_seconds() / 3600
    await book(code(), claim("ben", at=late), purchase(at=late), claim("cleo", at=late - 1), now=midnight)
    assert [each["claims"] for each in await records(reports, "funnel")] == [1, 1]
    assert [each["referred_turnover"] for each in await records(reports, "referred")] == [0, 100]


async def test_what_waits_is_no_cost_yet_and_what_is_taken_back_none_any_more(reports: Reports, book: Book) -> None:
    async def cost() -> tuple[Any, ...]:
        _, november = await records(reports, "referral-cost", cost_per_point=Decimal("0.01"))
        return tuple(november[name] for name in ("won", "points", "points_held", "points_a_customer"))

    await book(code(), claim())
    assert await cost() == (0, 0, 0, None)
    await book(purchase())
    assert await cost() == (1, 200, 500, 200)
    await book(settled("ben"), now=AFTER_HOLD)
    assert await cost() == (1, 700, 0, 700)
    await book(refund(), now=AFTER_HOLD)
    assert await cost() == (0, 0, 0, None)


async def test_coupons_and_the_ladder_are_given_too_and_what_is_capped_is_not(
    reports: Reports, book: Book, engine: AsyncEngine
) -> None:
    ladder = [{"count": 2, "benefit": {"kind": "points", "points": 1000}}]
    await publish(
        engine, friend=COUPON, ladder=ladder, rewards_per_referrer_and_month=1, claims_per_referrer_and_day=None
    )
    await book(code(), claim("ben"), claim("cleo"), AcceptClaim(f"cleo claims {CODE}", "staff"))
    await book(purchase("R-1", customer="ben"), purchase("R-2", customer="cleo"))
    (found,) = await records(reports, "referral-cost-by-code")
    assert (found["won"], found["coupons"], found["points"], found["points_held"]) == (2, 2, 0, 1000)
    await book(settled("ben"), settled("cleo"), now=AFTER_HOLD)
    (found,) = await records(reports, "referral-cost-by-code")
    assert (found["won"], found["coupons"], found["points"], found["points_held"]) == (2, 2, 500 + 1000, 0)


async def test_a_partner_is_given_a_commission_once_its_hold_is_over(reports: Reports, book: Book) -> None:
    terms = Terms.model_validate({"commission": {"kind": "share", "percent": "10"}, "hold_days": 14})
    await book(OpenPartner("wine", "The wine blog", "en", terms, "tester"), AddPartnerCode("wine", "WINEBLOG"))
    await book(claim(spelled="WINEBLOG"), purchase())
    _, november = await records(reports, "referral-cost", cost_per_point=Decimal("0.01"))
    assert (november["won"], november["commissions"], november["cost"]) == (1, 0, 2)
    await book(SettleReferral("ben claims WINEBLOG", "ben"), now=AFTER_HOLD)
    _, november = await records(reports, "referral-cost", cost_per_point=Decimal("0.01"))
    assert (november["currency"], november["commissions"], november["cost_a_customer"]) == ("EUR", 10, 12)


async def test_referred_customers_stand_beside_the_others(reports: Reports, book: Book) -> None:
    before = [claim("ben", at=A_MONTH_AGO), purchase("R-1", "100.00", "ben", at=A_MONTH_AGO + 1)]
    others = [purchase("R-2", "40.00", "cleo", at=A_MONTH_AGO), purchase("R-3", "40.00", "dora", at=A_MONTH_AGO)]
    await book(code(), *before, *others)
    await book(purchase("R-4", "30.00", "ben"), purchase("R-5", "50.00", "ben"), purchase("R-6", "60.00", "cleo"))
    await book(refund("R-5", "25.00"), purchase("R-7", "10.00", "emil"))
    october, november = await records(reports, "referred")
    assert (october["referred_turnover"], october["other_turnover"]) == (100, 80)
    assert (november["referred_turnover"], november["other_turnover"]) == (55, 70)
    assert (november["referred_average"], november["other_average"]) == (27.5, 35)
    assert (november["referred_repeat_rate"], november["other_repeat_rate"]) == (100, 0)
    assert (november["referred_retention"], november["other_retention"]) == (100, 50)
    assert (november["referred_strict_retention"], november["other_strict_retention"]) == (100, 50)


async def test_who_does_not_count_any_more_is_one_of_the_others(reports: Reports, book: Book) -> None:
    await book(code(), claim(), purchase())
    await book(RejectClaim(f"ben claims {CODE}", "staff", "made up"))
    _, november = await records(reports, "referred")
    assert (november["referred_customers"], november["other_customers"]) == (0, 1)


async def test_a_friend_who_goes_on_as_another_stays_referred(reports: Reports, book: Book) -> None:
    await book(code(), claim(), purchase())
    await book(HearMerge("ben", "benjamin"), purchase("R-2", "50.00", "benjamin", at=1))
    _, november = await records(reports, "referred")
    assert (november["referred_customers"], november["referred_turnover"], november["other_customers"]) == (1, 150, 0)
    (best,) = await records(reports, "top-referrers")
    assert (best["code"], best["referrer_id"], best["friends"], best["turnover"]) == (CODE, "anna", 1, 150)


async def test_the_best_referrers_have_most_friends_rewarded_and_then_most_turnover(
    reports: Reports, book: Book
) -> None:
    await book(code(), code("carl", "4T3H-B7KM"), claim("ben"), claim("dora"), claim("emil", "4T3H-B7KM"))
    await book(*(purchase(f"R-{name}", customer=name) for name in ("ben", "dora")))
    await book(purchase("R-emil", "500.00", customer="emil"), purchase("R-0", "8.00", "dora", currency="CHF", at=1))
    names = ("currency", "code", "friends", "rewarded", "turnover")
    found = [tuple(each[name] for name in names) for each in await records(reports, "top-referrers")]
    assert found == [
        ("CHF", CODE, 1, 0, 8),
        ("EUR", "4T3H-B7KM", 1, 0, 500),
        ("EUR", CODE, 2, 0, 200),
    ]
    await book(settled("ben"), now=AFTER_HOLD)
    (best,) = await records(reports, "top-referrers", limit=1, currency="EUR")
    assert (best["code"], best["rewarded"]) == (CODE, 1)
