"""Random histories against a model of the ledger that is small enough to be seen right.

Each history has its own shop and customers in one database; every run of the suite plays the same histories
(`derandomize`), so that a red one is red for everybody; `--hypothesis-seed` plays others.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.points.commands import AdjustBalance, ClaimPurchase, Command, EnrolCustomer, Outcome, Request
from services.points.ledger import Ledger
from services.points.verification import verify
from shared.database import create_engine, transact
from tests.points.conftest import NOW, purchase, refund

HISTORIES, STEPS = 300, 50
Effect = Callable[[], object]
numbers = count()


@dataclass
class Bill:
    total: int | None = None
    customer: str | None = None
    refunds: dict[str, int] = field(default_factory=dict)
    clawed: int = 0


@dataclass
class Model:
    """Points are whole euros: what a customer's purchases kept, and what was adjusted."""

    bills: dict[str, Bill] = field(default_factory=dict)
    adjusted: dict[str, int] = field(default_factory=dict)
    enrolled: set[str] = field(default_factory=set)

    def available(self, customer: str) -> int:
        return sum(self.kept(bill) for bill in self.bills.values() if bill.customer == customer) + self.adjusted.get(
            customer, 0
        )

    @staticmethod
    def kept(bill: Bill) -> int:
        return 0 if bill.total is None else (bill.total - sum(bill.refunds.values())) // 100

    def buy(self, invoice: str, total: int, customer: str | None) -> None:
        bill = self.bills.setdefault(invoice, Bill())
        if bill.total is not None:
            return
        bill.total, bill.customer, waiting, bill.refunds = total, customer, bill.refunds, {}
        for name, amount in waiting.items():
            self.refund(invoice, name, amount)
        if customer:
            self.enrolled.add(customer)

    def refund(self, invoice: str, name: str, amount: int) -> None:
        bill = self.bills.setdefault(invoice, Bill())
        if name not in bill.refunds and (bill.total is None or sum(bill.refunds.values()) + amount <= bill.total):
            bill.refunds[name] = amount

    def claim(self, invoice: str, customer: str) -> None:
        bill = self.bills.get(invoice)
        if bill and bill.total is not None and bill.customer is None and customer in self.enrolled:
            bill.customer = customer


customers = st.sampled_from(["anna", "ben", "cleo"])
invoices = st.integers(0, 9).map(str)
cents = st.integers(0, 20_000)


def money(amount: int) -> str:
    return str(Decimal(amount) / 100)


class Histories(RuleBasedStateMachine):
    """Commands are collected and booked in batches of a random size, as a poll or a till's moment brings them."""

    ledgers: list[Ledger]
    runner: asyncio.Runner
    engine: Any

    def __init__(self) -> None:
        super().__init__()
        self.shop = f"shop-{next(numbers)}"
        self.model = Model()
        self.pending: list[Command] = []
        self.events = count()
        self.said: list[tuple[Command, Effect]] = []

    def name(self, customer: str) -> str:
        return f"{self.shop}-{customer}"

    @rule(invoice=invoices, total=cents, customer=customers, anonymous=st.sampled_from([False, False, False, True]))
    def buy(self, invoice: str, total: int, customer: str, *, anonymous: bool) -> None:
        buyer = None if anonymous else self.name(customer)
        command = purchase(invoice, money(total), buyer, shop_id=self.shop, event=self.event())
        self.say(command, lambda: self.model.buy(invoice, total, buyer))

    @rule(invoice=invoices, amount=cents, name=st.sampled_from("abcd"))
    def take_back(self, invoice: str, amount: int, name: str) -> None:
        bill = self.model.bills.get(invoice)
        if bill is not None and bill.total is None and sum(bill.refunds.values()) + amount > 20_000:
            return  # which of several waiting refunds is refused would be part of the model
        command = refund(invoice, money(amount), name, shop_id=self.shop, event=self.event())
        self.say(command, lambda: self.model.refund(invoice, name, amount))

    @rule(customer=customers, points=st.integers(-300, 300).filter(bool), correction=st.booleans())
    def adjust(self, customer: str, points: int, *, correction: bool) -> None:
        who = self.name(customer)
        self.pending.append(AdjustBalance(self.event(), who, points, "goodwill", "tester", NOW, allow_debt=correction))
        if who in self.model.enrolled and (points > 0 or correction or self.model.available(who) >= -points):
            self.model.adjusted[who] = self.model.adjusted.get(who, 0) + points

    @rule(customer=customers)
    def enrol(self, customer: str) -> None:
        who = self.name(customer)
        self.say(EnrolCustomer(who, NOW), lambda: self.model.enrolled.add(who))

    @rule(invoice=invoices, customer=customers)
    def claim(self, invoice: str, customer: str) -> None:
        who = self.name(customer)
        self.say(ClaimPurchase(self.shop, invoice, who), lambda: self.model.claim(invoice, who))

    @rule(index=st.integers(0, 99))
    def repeat(self, index: int) -> None:
        if self.said:
            command, effect = self.said[index % len(self.said)]
            self.pending.append(command)
            effect()

    @rule(ledger=st.sampled_from([0, 1]))
    def book(self, ledger: int) -> None:
        """Two ledgers, as two processes have them."""
        commands, self.pending = self.pending, []
        if commands:
            self.runner.run(self.booked(self.ledgers[ledger], commands))

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        if self.pending:
            return
        expected = {who: self.model.available(who) for who in self.model.enrolled}
        assert self.runner.run(self.balances()) == expected

    def teardown(self) -> None:
        self.book(0)
        self.balances_are_those_of_the_model()

    def event(self) -> str:
        return f"{self.shop}-{next(self.events)}"

    def say(self, command: Command, effect: Effect) -> None:
        """Say what may be said again: what was refused the first time may come at a better moment."""
        self.pending.append(command)
        self.said.append((command, effect))
        effect()

    async def booked(self, ledger: Ledger, commands: list[Command]) -> list[Outcome]:
        (reply,) = await transact(self.engine, lambda c: ledger.book(c, [Request(commands)], now=NOW))
        return reply.outcomes

    async def balances(self) -> dict[str, int]:
        async with self.engine.connect() as connection:
            rows = await connection.exec_driver_sql(
                "SELECT customer_id, available FROM account WHERE starts_with(customer_id, $1)", (f"{self.shop}-",)
            )
            return {row[0]: row[1] for row in rows}


@pytest.mark.slow
def test_no_history_ends_differently_from_the_model(module_database_url: str) -> None:
    with asyncio.Runner() as runner:
        Histories.runner, Histories.ledgers = runner, [Ledger(), Ledger()]
        Histories.engine = create_engine(module_database_url, name="machine", pool_size=2)
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert runner.run(findings()) == []
        runner.run(Histories.engine.dispose())


async def findings() -> list[Any]:
    async with Histories.engine.connect() as connection:
        return await verify(connection)
