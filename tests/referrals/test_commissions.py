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
from tests.referrals.conftest import NOW, Book, claim, code, publish, purchase, refund

WINE = "WINEBLOG"
AFTER_HOLD = NOW + days(31)
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
    await book(purchase("R-3", "10.05", at=24 * 30), now=AFTER_HOLD)
    assert await commissions(engine) == {"R-1": "due 10", "R-2": "due 2", "R-3": "held 1"}
    assert await lines(engine) == [("2026-12", "R-1", "10.00"), ("2026-12", "R-2", "2.00")]
    assert [each for each in await told(engine) if each[0] == "wine"] == [
        ("wine", "referral.registered"),
        *[("wine", "referral.qualified")] * 2,
        *[("wine", "referral.rewarded")] * 2,
        ("wine", "referral.qualified"),
    ]
