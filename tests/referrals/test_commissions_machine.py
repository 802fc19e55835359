"""Random histories of claims, sales, refunds, time and payouts: whatever came first, partners get what the facts say, once."""

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    AddPartnerCode,
    Command,
    OpenPartner,
    PayPartner,
    Request,
)
from services.referrals.lifecycle import Lifecycle
from services.referrals.terms import Terms
from services.referrals.verification import verify
from shared.database import create_engine, transact
from tests.conftest import fresh_database
from tests.referrals.asking import days, events, rows
from tests.referrals.conftest import NOW, claim, purchase, refund
from tests.referrals.test_commissions import settled

HISTORIES = 100
MINIMUM = Decimal("20.00")
WINE = Terms.model_validate(
    {"commission": {"kind": "share", "percent": "10"}, "months": 2, "minimum": "20.00", "hold_days": 5}
)
BEER = Terms.model_validate({"commission": {"kind": "fixed", "amount": "3.00"}, "minimum": "20.00", "hold_days": 40})
MONTHS = [dt.date(2026, 11, 1), dt.date(2026, 12, 1), dt.date(2027, 1, 1)]
numbers = count()


class Sold(NamedTuple):
    """A purchase of a friend at an hour, and the shares of it that are refunded, each in hundredths."""

    friend: str
    hour: int
    total: Decimal
    refunds: list[int]


class History(NamedTuple):
    """What happens, and in which order it is heard; what is heard twice, how many days pass, and what is paid in between."""

    claims: list[tuple[str, str, int]]
    sales: list[Sold]
    order: Any
    days: list[int]


FRIENDS, CODES = st.sampled_from(["ben", "cleo"]), st.sampled_from(["wine", "wine", "beer"])
HISTORY = st.builds(
    History,
    st.lists(st.tuples(FRIENDS, CODES, st.integers(-3, 5)), min_size=1, max_size=4),
    st.lists(
        st.builds(
            Sold,
            FRIENDS,
            st.integers(-2, 22),
            st.sampled_from([Decimal("19.99"), Decimal("20.05"), Decimal("100.25"), Decimal("333.33")]),
            st.lists(st.integers(1, 50), max_size=2),
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 25), min_size=4, max_size=4),
)


class Played:
    """A history on its way into the books, by two writers as two processes have them."""

    def __init__(self, engine: AsyncEngine, history: History) -> None:
        self.engine, self.history = engine, history
        self.place = f"{next(numbers)}-"
        self.writers = [Lifecycle(), Lifecycle()]

    def facts(self) -> list[Command]:
        found: list[Command] = []
        for number, (friend, partner, hour) in enumerate(self.history.claims):
            spelled = f"{self.place}{partner}"
            found.append(claim(self.place + friend, spelled, at=hour, name=f"{self.place}{number}"))
        for number, sold in enumerate(self.history.sales):
            invoice = f"{self.place}{number}"
            found.append(purchase(invoice, str(sold.total), self.place + sold.friend, at=sold.hour))
            for place, amount in enumerate(refunds(sold)):
                found.append(refund(invoice, str(amount), str(place)))
        return found

    async def play(self) -> None:
        for name, terms in (("wine", WINE), ("beer", BEER)):
            partner = f"{self.place}{name}"
            await self.book([OpenPartner(partner, name, "en", terms, "t"), AddPartnerCode(partner, partner)], NOW)
        rng, heard = self.history.order, self.facts()
        heard += rng.sample(heard, len(heard) // 3)
        rng.shuffle(heard)
        now, parts = NOW + days(1), len(self.history.days)
        for place, passed in enumerate(self.history.days):
            await self.book(heard[place::parts], now)
            now += days(passed)
            await asyncio.gather(self.pay(now), self.pay(now), settled(self.engine, now))
        await settled(self.engine, now + days(60))

    async def pay(self, now: dt.datetime) -> None:
        month = self.history.order.choice(MONTHS)
        await self.book([PayPartner(f"{self.place}wine", month, f"{next(numbers)}", "t")], now)

    async def book(self, commands: Sequence[Command], now: dt.datetime) -> None:
        writer, request = self.history.order.choice(self.writers), Request(list(commands))
        await transact(self.engine, lambda connection: writer.book(connection, [request], now=now))

    async def owed(self) -> dict[str, Decimal]:
        """What partners have to get, by the claims that are live at the end."""
        live = await rows(
            self.engine,
            f"SELECT friend_id, partner_id, claimed_at FROM referral"
            f" WHERE partner_id LIKE '{self.place}%' AND status <> 'rejected'",
        )
        found: dict[str, Decimal] = defaultdict(Decimal)
        for each in live:
            mine = [sold for sold in self.history.sales if self.place + sold.friend == each["friend_id"]]
            found[each["partner_id"]] += earned(each["partner_id"].removeprefix(self.place), mine)
        return {name: amount for name, amount in found.items() if amount}

    async def booked(self) -> dict[str, Decimal]:
        found = await rows(
            self.engine,
            f"SELECT partner_id, sum(amount) AS amount FROM statement_line"
            f" WHERE partner_id LIKE '{self.place}%' GROUP BY 1 HAVING sum(amount) <> 0",
        )
        return {each["partner_id"]: each["amount"] for each in found}

    async def said(self) -> dict[str, Decimal]:
        """The same, by the events."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for each in await events(self.engine):
            data = each["data"]
            if each["subject"].startswith(self.place) and each["id"].startswith("partner@"):
                if each["type"] == "loyalty.referral.rewarded.v1":
                    found[each["subject"]] += Decimal(data["reward"]["amount"])
                elif data.get("taken_back") is not None:
                    found[each["subject"]] -= Decimal(data["taken_back"]["amount"])
        return {name: amount for name, amount in found.items() if amount}


def refunds(sold: Sold) -> list[Decimal]:
    return [(sold.total * share / 100).quantize(Decimal("0.01")) for share in sold.refunds]


def earned(partner: str, sales: list[Sold]) -> Decimal:
    """Ten lines instead of the rules."""
    left = [sold.total - sum(refunds(sold)) for sold in sorted(sales, key=lambda sold: sold.hour)]
    counting = [each for each in left if each >= MINIMUM]
    if partner == "beer":
        return Decimal("3.00") if counting else Decimal(0)
    return sum((Decimal(round(each * 10)) / 100 for each in counting), Decimal(0))


@pytest.mark.slow
async def test_whatever_came_first_partners_get_what_the_facts_say(server: Any, referrals_template: str) -> None:
    async with fresh_database(server, referrals_template) as url:
        engine = create_engine(url, name="machine", pool_size=6)
        await asyncio.to_thread(histories, url)
        async with engine.connect() as connection:
            assert await verify(connection) == []
        assert await rows(engine, "SELECT FROM payout LIMIT 1")
        await engine.dispose()


def histories(url: str) -> None:
    with asyncio.Runner() as runner:
        engine = create_engine(url, name="machine", pool_size=6)

        @settings(max_examples=HISTORIES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(HISTORY)
        def run(history: History) -> None:
            runner.run(tried(Played(engine, history)))

        run()
        runner.run(engine.dispose())


async def tried(played: Played) -> None:
    await played.play()
    owed = await played.owed()
    assert await played.booked() == owed
    assert await played.said() == owed
