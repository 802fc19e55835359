"""Random histories of codes against a model that looks everything up; each batch may hold any part of a basket's life."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from services.notifications import queries
from services.notifications.commands import (
    Command,
    CreateShared,
    IssueCoupon,
    RedeemCoupon,
    ReleaseCoupon,
    Request,
    ReserveCoupon,
    TakeBack,
    UseCoupons,
)
from services.notifications.delivery import Delivery
from services.notifications.rules.coupons import Basket, Line
from services.notifications.verification import verify
from shared.database import create_engine, fetch, transact
from tests.notifications.conftest import NOW

HISTORIES, STEPS = 150, 40
OVER = NOW + dt.timedelta(hours=1)
TERMS: dict[str, dict[str, Any]] = {
    "USES": {"most_uses": 2},
    "MONEY": {"most_amount": Decimal(12), "currency": "EUR"},
    "EACH": {"most_per_customer": 1, "valid_until": OVER},
    "LONE": {"stacks": False},
}
ONCE = "ONCE"
"""A single-use code of anna's; the others are everybody's. Each takes a tenth off goods of its own."""

CODES = [*TERMS, ONCE]
numbers = count()

USES = "SELECT code || ' ' || invoice_number, status, amount FROM coupon_use WHERE shop_id = $1"


class Kept(NamedTuple):
    until: dt.datetime
    customer: str | None
    amount: Decimal | None


@dataclass
class Use:
    status: str
    customer: str | None
    amount: Decimal | None


@dataclass
class Model:
    """What baskets keep, what purchases took, and what of those was taken back."""

    now: dt.datetime = NOW
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    paid: set[str] = field(default_factory=set)
    refunded: set[str] = field(default_factory=set)

    def live(self) -> dict[tuple[str, str], Kept]:
        return {key: each for key, each in self.kept.items() if each.until > self.now}

    def taken(self, code: str, *, but: str | None = None) -> Iterator[tuple[str | None, Decimal]]:
        """Who has a use of a code, and for how much; the basket `but` is left out."""
        kept = ((each.customer, each.amount) for key, each in self.live().items() if key[0] == code and key[1] != but)
        used = ((each.customer, each.amount) for key, each in self.uses.items() if key[0] == code and is_taken(each))
        yield from ((customer, amount or Decimal(0)) for customer, amount in [*kept, *used])

    def has_room(self, code: str, customer: str | None, amount: Decimal | None, own: str | None) -> bool:
        taken, terms = list(self.taken(code, but=own)), TERMS.get(code, {"most_uses": 1})
        each, money = terms.get("most_per_customer"), terms.get("most_amount")
        if each and (customer is None or sum(who == customer for who, _ in taken) >= each):
            return False
        if money and (amount is None or sum(worth for _, worth in taken) + amount > money):
            return False
        return len(taken) < int(terms.get("most_uses", 10**9))

    def may(self, code: str, asked: Basket | None, basket: str | None, invoice: str | None = None) -> bool:
        own = self.live().get((code, basket or ""))
        if code == "EACH" and self.now >= OVER and (own is None or invoice is None):
            return False
        if own and asked is None and code != ONCE:
            return True
        beside = {name for name, other in self.live() if other == basket}
        beside |= {name for (name, other), use in self.uses.items() if other == invoice and is_taken(use)}
        if len(beside | {code}) > 1 and "LONE" in beside | {code}:
            return False
        customer = asked.customer_id if asked else None
        if code == ONCE and customer not in {None, "anna"}:
            return False
        return self.has_room(code, customer, worth(asked), basket)

    def reserve(self, code: str, basket: str, asked: Basket | None) -> None:
        if self.may(code, asked, basket):
            before = self.live().get((code, basket))
            customer, amount = self.said(asked, before)
            self.kept[code, basket] = Kept(self.now + dt.timedelta(minutes=10), customer, amount)

    def said(self, asked: Basket | None, kept: Kept | None) -> tuple[str | None, Decimal | None]:
        if asked is None:
            return (kept.customer, kept.amount) if kept else (None, None)
        return asked.customer_id, worth(asked)

    def redeem(self, code: str, invoice: str, basket: str | None, asked: Basket | None) -> None:
        known = self.uses.get((code, invoice))
        if self.is_taken_back(invoice):
            return
        if known and is_taken(known):
            self.kept.pop((code, basket or ""), None)
            return
        if not self.may(code, asked, basket, invoice):
            return
        customer, amount = self.said(asked, self.live().get((code, basket or "")) if code != ONCE else None)
        self.kept.pop((code, basket or ""), None)
        self.uses[code, invoice] = Use("redeemed", customer, amount)
        self.reprice(invoice, asked)

    def reprice(self, invoice: str, asked: Basket | None) -> None:
        for (_, other), use in self.uses.items():
            if other == invoice and is_taken(use) and asked is not None and use.amount is not None:
                use.amount = min(use.amount, worth(asked) or use.amount)

    def release(self, code: str, basket: str) -> None:
        self.kept.pop((code, basket), None)

    def buy(self, invoice: str, codes: tuple[str, ...], asked: Basket) -> None:
        if invoice in self.paid:
            return
        self.paid.add(invoice)
        for code in codes:
            known = self.uses.get((code, invoice))
            if known is None or not is_taken(known):
                self.name(code, invoice, asked)
        self.free(invoice)

    def name(self, code: str, invoice: str, asked: Basket) -> None:
        """A purchase is paid: of anna's code it takes whatever a basket keeps, of the others what its customer does."""
        whose = {
            (each.until, key)
            for key, each in self.live().items()
            if key[0] == code and (code == ONCE or (each.customer == asked.customer_id is not None))
        }
        own = min(whose)[1][1] if whose else None
        in_time = code != "EACH" or self.now < OVER
        if in_time and self.has_room(code, asked.customer_id, worth(asked), own):
            self.kept.pop((code, own or ""), None)
            self.uses[code, invoice] = Use("redeemed", asked.customer_id, worth(asked))
        else:
            self.uses[code, invoice] = Use("conflict", asked.customer_id, worth(asked))

    def refund(self, invoice: str) -> None:
        self.refunded.add(invoice)
        self.free(invoice)

    def is_taken_back(self, invoice: str) -> bool:
        return invoice in self.paid and invoice in self.refunded

    def free(self, invoice: str) -> None:
        for (_, other), use in self.uses.items():
            if other == invoice and self.is_taken_back(invoice) and is_taken(use):
                use.status = "freed"


def is_taken(use: Use) -> bool:
    return use.status == "redeemed"


def worth(asked: Basket | None) -> Decimal | None:
    return asked.lines[0].amount / 10 if asked else None


codes = st.sampled_from(CODES)
baskets = st.sampled_from(["b-1", "b-2", "b-3"])
invoices = st.integers(1, 8).map(lambda number: f"R-{number}")
goods = st.builds(
    lambda amount, who: Basket("EUR", tuple(Line(Decimal(amount), category=code) for code in CODES), customer_id=who),
    st.sampled_from([10, 40, 70]),
    st.sampled_from(["anna", "anna", "ben", None]),
)
maybe_goods = st.one_of(goods, goods, st.none())


class Histories(RuleBasedStateMachine):
    """Commands are collected and booked in batches of a random size, by one of two writers."""

    writers: list[Delivery]
    runner: asyncio.Runner
    engine: Any

    @initialize()
    def begin(self) -> None:
        self.place, self.model = f"{next(numbers)}-", Model()
        value = '{"kind": "percentage_voucher", "percent": "10", "minimum": "0"}'
        self.pending: list[Command] = [
            CreateShared(self.place + code, value, categories=f'["{code}"]', **({"stacks": True} | terms))
            for code, terms in TERMS.items()
        ]
        self.pending.append(
            IssueCoupon(
                self.place + ONCE, "anna", "hand", self.place + ONCE, value, categories=f'["{ONCE}"]', stacks=True
            )
        )

    def say(self, command: Command, effect: Callable[[], object]) -> None:
        self.pending.append(command)
        effect()

    @rule(code=codes, basket=baskets, asked=maybe_goods)
    def reserve(self, code: str, basket: str, asked: Basket | None) -> None:
        command = ReserveCoupon(self.place + code, self.place + basket, 600, asked)
        self.say(command, lambda: self.model.reserve(code, basket, asked))

    @rule(code=codes, invoice=invoices, basket=st.one_of(baskets, st.none()), asked=maybe_goods)
    def redeem(self, code: str, invoice: str, basket: str | None, asked: Basket | None) -> None:
        name = None if basket is None else self.place + basket
        command = RedeemCoupon(self.place + code, self.place, invoice, name, asked)
        self.say(command, lambda: self.model.redeem(code, invoice, basket, asked))

    @rule(code=codes, basket=baskets)
    def release(self, code: str, basket: str) -> None:
        command = ReleaseCoupon(self.place + code, self.place + basket)
        self.say(command, lambda: self.model.release(code, basket))

    @rule(named=st.sets(codes, min_size=1).map(sorted), invoice=invoices, asked=goods)
    def buy(self, named: list[str], invoice: str, asked: Basket) -> None:
        spelled = tuple(self.place + code for code in named)
        total, who = Decimal(100), asked.customer_id
        command = UseCoupons(self.place, invoice, total, spelled, self.model.now, who, asked)
        self.say(command, lambda: self.model.buy(invoice, tuple(named), asked))

    @rule(invoice=invoices)
    def refund(self, invoice: str) -> None:
        command = TakeBack(self.place, invoice, "all", Decimal(100))
        self.say(command, lambda: self.model.refund(invoice))

    @rule(minutes=st.sampled_from([4, 10, 10, 40]))
    def wait(self, minutes: int) -> None:
        self.book(0)
        self.model.now += dt.timedelta(minutes=minutes)

    @rule(writer=st.sampled_from([0, 1]))
    def book(self, writer: int) -> None:
        """Two writers, as two processes have them."""
        commands, self.pending = self.pending, []
        if commands:
            self.runner.run(self.booked(writer, commands))

    @rule()
    def look(self) -> None:
        self.book(0)
        expected = {f"{code} {invoice}": (use.status, use.amount) for (code, invoice), use in self.model.uses.items()}
        assert self.runner.run(self.uses()) == expected
        for code in TERMS:
            taken = list(self.model.taken(code))
            found = self.runner.run(self.shared(code))
            assert (found.uses, found.amount) == (len(taken), sum(worth for _, worth in taken)), code

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.look()

    async def booked(self, writer: int, commands: list[Command]) -> None:
        work, now = self.writers[writer].book, self.model.now
        await transact(self.engine, lambda connection: work(connection, [Request(commands)], now=now))

    async def uses(self) -> dict[str, Any]:
        async with self.engine.connect() as connection:
            found = await fetch(connection, USES, self.place)
        return {row[0].removeprefix(self.place): (row[1], row[2]) for row in found}

    async def shared(self, code: str) -> Any:
        async with self.engine.connect() as connection:
            return await queries.shared_code(connection, self.place + code, self.model.now)


@pytest.mark.slow
def test_no_history_of_codes_ends_differently_from_the_model(module_notifications_url: str) -> None:
    with asyncio.Runner() as runner:
        Histories.runner, Histories.writers = runner, [Delivery(), Delivery()]
        Histories.engine = create_engine(module_notifications_url, name="machine", pool_size=2)
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert runner.run(findings()) == []
        runner.run(Histories.engine.dispose())


async def findings() -> list[Any]:
    async with Histories.engine.connect() as connection:
        return [*await verify(connection)]
