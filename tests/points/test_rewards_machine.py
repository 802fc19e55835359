"""Random histories of claims against a model that looks everything up; each batch may hold any part of a claim's life."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.points.catalogue import Reward
from services.points.commands import (
    AdjustBalance,
    CancelClaim,
    ChangeStatus,
    ClaimReward,
    Command,
    EndCoupon,
    EnrolCustomer,
    FulfilClaim,
    KeepReward,
    MergeAccounts,
    Request,
)
from services.points.ledger import Ledger
from services.points.verification import verify
from shared import codes
from shared.database import create_engine, fetch, transact
from shared.requests import Origin
from tests.points.conftest import NOW

HISTORIES, STEPS = 150, 40
CUSTOMERS = ("anna", "ben", "cleo")
PRICES = {"mug": 30, "gift": 20}
"""A mug has a coupon, a gift has none."""

LIMIT, STOCK, FIRST_POINTS = 3, 5, 150
numbers = count()

ACCOUNTS = "SELECT customer_id, available FROM account WHERE starts_with(customer_id, $1) AND merged_into IS NULL"
REWARDS = "SELECT reward_id, claimed FROM reward WHERE starts_with(reward_id, $1)"
CLAIMS = "SELECT claim_id, status FROM reward_claim WHERE starts_with(claim_id, $1)"


@dataclass
class Claim:
    customer: str
    reward: str
    status: str = "claimed"


@dataclass
class Model:
    """Who has how many points, what there is, and what became of every claim; `merged` says who goes on in whom."""

    points: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CUSTOMERS, FIRST_POINTS))
    blocked: set[str] = field(default_factory=set)
    merged: dict[str, str] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PRICES, STOCK))
    claims: dict[str, Claim] = field(default_factory=dict)

    def owner(self, customer: str) -> str:
        return self.owner(self.merged[customer]) if customer in self.merged else customer

    def live(self, reward: str, owner: str | None = None) -> int:
        found = (each for each in self.claims.values() if each.reward == reward and each.status != "cancelled")
        return sum(owner in {None, self.owner(each.customer)} for each in found)

    def earn(self, customer: str, points: int) -> None:
        self.points[self.owner(customer)] += points

    def claim(self, name: str, customer: str, reward: str) -> None:
        owner = self.owner(customer)
        has_room = self.live(reward) < self.stock[reward] and self.live(reward, owner) < LIMIT
        if owner not in self.blocked and has_room and self.points[owner] >= PRICES[reward]:
            self.points[owner] -= PRICES[reward]
            self.claims[name] = Claim(owner, reward)

    def cancel(self, name: str) -> None:
        found = self.claims.get(name)
        if found is not None and found.status == "claimed":
            found.status = "cancelling"
            if found.reward == "gift":
                self.end(name, "cancelled")

    def fulfil(self, name: str) -> None:
        if name in self.claims and self.claims[name].reward == "gift":
            self.end(name, "fulfilled")

    def end(self, name: str, status: str) -> None:
        found = self.claims.get(name)
        if found is not None and found.status not in {"cancelled", "fulfilled"}:
            found.status = status
            if status == "cancelled":
                self.points[self.owner(found.customer)] += PRICES[found.reward]

    def restock(self, reward: str, stock: int) -> None:
        if stock >= self.live(reward):
            self.stock[reward] = stock

    def merge(self, customer: str, into: str) -> None:
        source, target = self.owner(customer), self.owner(into)
        if source != target and customer not in self.merged:
            self.points[target] += self.points.pop(source)
            self.merged[source] = target


customers, rewards = st.sampled_from(CUSTOMERS), st.sampled_from(sorted(PRICES))
places = st.integers(0, 99)
"""Of a claim among those that were said."""


class Histories(RuleBasedStateMachine):
    """Commands are collected and booked in batches of a random size, by one of two ledgers."""

    ledgers: list[Ledger]
    runner: asyncio.Runner
    engine: Any

    @initialize()
    def begin(self) -> None:
        self.place, self.model, self.events = f"{next(numbers)}-", Model(), count()
        self.pending: list[Command] = [EnrolCustomer(self.place + each, NOW) for each in CUSTOMERS]
        self.pending += [self.credit(each, FIRST_POINTS) for each in CUSTOMERS]
        self.pending += [self.kept(each, STOCK, is_new=True) for each in PRICES]
        self.said: list[str] = []

    def credit(self, customer: str, points: int) -> AdjustBalance:
        name = f"{self.place}{next(self.events)}"
        return AdjustBalance(name, self.place + customer, points, "goodwill", "tester", NOW)

    def kept(self, reward: str, stock: int, *, is_new: bool) -> KeepReward:
        value = {"kind": "free_article", "sku": "M"} if reward == "mug" else {"kind": "experience"}
        more = {"value": value, "points": PRICES[reward], "stock": stock, "per_customer": LIMIT}
        document = {"texts": {"en": {"title": reward}}, "default_language": "en"} | more
        return KeepReward(self.place + reward, Reward.model_validate(document), is_new)

    def say(self, command: Command, effect: Callable[[], object]) -> None:
        self.pending.append(command)
        effect()

    @rule(customer=customers, points=st.integers(1, 100))
    def earn(self, customer: str, points: int) -> None:
        self.say(self.credit(customer, points), lambda: self.model.earn(customer, points))

    @rule(customer=customers, reward=rewards)
    def claim(self, customer: str, reward: str) -> None:
        name = f"claim-{len(self.said)}"
        self.said.append(name)
        claim = ClaimReward(
            self.place + name,
            f"r-{self.place}{name}",
            self.place + customer,
            self.place + reward,
            self.symbols(name),
            NOW,
        )
        self.say(claim, lambda: self.model.claim(name, customer, reward))

    def claimed(self, place: int) -> str:
        return self.said[place % len(self.said)]

    @precondition(lambda self: self.said)
    @rule(place=places)
    def cancel(self, place: int) -> None:
        name = self.claimed(place)
        self.say(CancelClaim(self.place + name, "by mistake"), lambda: self.model.cancel(name))

    @precondition(lambda self: self.said)
    @rule(place=places)
    def fulfil(self, place: int) -> None:
        name = self.claimed(place)
        self.say(FulfilClaim(self.place + name, "given"), lambda: self.model.fulfil(name))

    @precondition(lambda self: self.said)
    @rule(place=places, became=st.sampled_from(["redeemed", "voided"]), times=st.integers(1, 2))
    def end_coupon(self, place: int, became: Literal["redeemed", "voided"], times: int) -> None:
        name = self.claimed(place)
        ending = "fulfilled" if became == "redeemed" else "cancelled"
        origin = Origin("/notifications", f"{self.place}{next(self.events)}", NOW)
        for _ in range(times):
            self.pending.append(EndCoupon(codes.code(self.symbols(name)), became, origin))
        if name in self.model.claims and self.model.claims[name].reward == "mug":
            self.model.end(name, ending)

    @rule(reward=rewards, stock=st.integers(0, 8))
    def restock(self, reward: str, stock: int) -> None:
        self.say(self.kept(reward, stock, is_new=False), lambda: self.model.restock(reward, stock))

    @rule(customer=customers, is_blocked=st.sampled_from([True, False, False]))
    def change_status(self, customer: str, *, is_blocked: bool) -> None:
        if customer in self.model.merged:
            return
        status: Literal["active", "blocked"] = "blocked" if is_blocked else "active"
        change = self.model.blocked.add if is_blocked else self.model.blocked.discard
        self.say(ChangeStatus(self.place + customer, status, "x"), lambda: change(customer))

    @rule(customer=customers, into=customers, sure=st.sampled_from([False, False, False, True]))
    def merge(self, customer: str, into: str, *, sure: bool) -> None:
        if not sure:
            return  # or everybody would soon be one
        merge = MergeAccounts(self.place + customer, self.place + into, "one person")
        self.say(merge, lambda: self.model.merge(customer, into))

    @rule(ledger=st.sampled_from([0, 1]))
    def book(self, ledger: int) -> None:
        """Two ledgers, as two processes have them."""
        commands, self.pending = self.pending, []
        if commands:
            self.runner.run(self.booked(ledger, commands))

    @rule()
    def look(self) -> None:
        self.book(0)
        assert self.runner.run(self.seen(ACCOUNTS)) == self.model.points
        assert self.runner.run(self.seen(REWARDS)) == {each: self.model.live(each) for each in PRICES}
        states = {name: each.status for name, each in self.model.claims.items()}
        assert self.runner.run(self.seen(CLAIMS)) == states

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.look()

    def symbols(self, name: str) -> str:
        return "".join(random.Random(self.place + name).choices(codes.ALPHABET, k=codes.DRAWN))

    async def booked(self, ledger: int, commands: list[Command]) -> None:
        writer = self.ledgers[ledger]
        await transact(self.engine, lambda connection: writer.book(connection, [Request(commands)], now=NOW))

    async def seen(self, question: str) -> dict[str, Any]:
        async with self.engine.connect() as connection:
            return {row[0].removeprefix(self.place): row[1] for row in await fetch(connection, question, self.place)}


@pytest.mark.slow
def test_no_history_of_claims_ends_differently_from_the_model(module_database_url: str) -> None:
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
        return [*await verify(connection)]
