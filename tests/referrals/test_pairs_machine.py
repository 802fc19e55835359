"""Random histories of pairs against a model that looks everything up: nobody is paid alone, twice or beyond the budget."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import (
    AcceptPair,
    CancelPair,
    Command,
    HearCard,
    HearMerge,
    InvitePair,
    Request,
    SettlePair,
)
from services.referrals.lifecycle import Lifecycle
from services.referrals.verification import verify
from shared.database import fetch, transact
from tests.referrals.conftest import NOW, offer, purchase, refund

HISTORIES, STEPS = 100, 50
BOOKED, ACCEPTED = 0.3, 0.8
BUDGET = 2
PEOPLE = ("anna", "ben", "cleo")
MINIMUM, WINDOW = 20, dt.timedelta(days=1)
OFFERS: dict[str, dict[str, Any]] = {
    "each": {"kind": "each_buys", "per_customer": None},
    "basket": {"kind": "joint_basket", "per_customer": None},
    "new": {"kind": "each_buys", "per_customer": None, "new_friends_only": True},
    "few": {"kind": "each_buys", "per_customer": 2, "budget": BUDGET},
}
WRITERS = [Lifecycle(), Lifecycle()]
numbers = count()

PAIRS = """
SELECT pair_id, offer_id, referrer_id, friend_id, status, accepted_at, expires_at FROM pair WHERE starts_with(pair_id, $1)"""
OFFER_ROWS = "SELECT offer_id, reserved FROM offer WHERE starts_with(offer_id, $1)"
EVENTS = "SELECT payload FROM outbox WHERE starts_with(key, $1) ORDER BY id"


@dataclass
class Sale:
    owner: str | None
    card: str | None
    at: dt.datetime
    total: int
    companion: str | None


@dataclass
class Model:
    """What was heard, in no order: what became of a pair is looked up in it from the beginning."""

    merged: dict[str, str] = field(default_factory=dict)
    cards: dict[str, str] = field(default_factory=dict)
    sales: dict[str, Sale] = field(default_factory=dict)
    refunds: dict[str, dict[str, int]] = field(default_factory=dict)

    def one(self, name: str | None) -> str | None:
        return self.one(self.merged[name]) if name in self.merged else name

    def merge(self, name: str, into: str) -> None:
        if name not in self.merged and self.one(into) != name:
            self.merged[name] = into

    def left(self, invoice: str) -> int:
        left = self.sales[invoice].total
        for amount in self.refunds.get(invoice, {}).values():
            left -= amount if amount <= left else 0
        return left

    def bought(self, name: str | None) -> Iterator[tuple[dt.datetime, int, str | None]]:
        for invoice, sale in self.sales.items():
            owner = self.cards.get(sale.card or "") if sale.owner is None else sale.owner
            if owner is not None and self.one(owner) == self.one(name):
                yield sale.at, self.left(invoice), self.one(sale.companion)

    def is_met(self, kind: str, pair: dict[str, Any]) -> bool:
        two = self.one(pair["referrer_id"]), self.one(pair["friend_id"])
        if two[0] == two[1] or (kind == "new" and any(at < pair["accepted_at"] for at, *_ in self.bought(two[1]))):
            return False
        good = [[companion for at, left, companion in self.bought(each) if self.counts(pair, at, left)] for each in two]
        return two[1] in good[0] or two[0] in good[1] if kind == "basket" else all(good)

    def counts(self, pair: dict[str, Any], at: dt.datetime, left: int) -> bool:
        return left >= MINIMUM and pair["accepted_at"] <= at < pair["expires_at"]


class History:
    """Commands are collected and booked in batches of a random size, by one of two writers; the clock goes on."""

    def __init__(self, random: Random, engine: AsyncEngine) -> None:
        self.random, self.engine = random, engine
        self.place, self.model, self.now = f"{next(numbers)}-", Model(), NOW
        rules: dict[str, Any] = {"minimum": f"{MINIMUM}", "days": 1, "invitation_days": 1}
        self.pending: list[Command] = [offer(self.place + name, **rules, **more) for name, more in OFFERS.items()]
        self.said: list[Command] = []
        self.invited: list[str] = []
        self.couples: list[tuple[str, str]] = []

    async def live(self, steps: int) -> None:
        happens = [self.invite, self.accept, self.buy, self.both_buy, self.take_back, self.repeat, self.seldom]
        for step in self.random.choices(happens, weights=[3, 2, 4, 6, 3, 3, 1], k=steps):
            step()
            if self.random.random() < BOOKED:
                await self.book()
        await self.look()

    def somebody(self) -> str:
        return self.place + self.random.choice(PEOPLE)

    def earlier(self) -> dt.datetime:
        return self.now - dt.timedelta(hours=self.random.choice([0, 0, 0, 1, 2, 5, 20, 30]))

    def say(self, command: Command) -> None:
        self.pending.append(command)
        self.said.append(command)

    def invite(self) -> None:
        """An invitation, most of them accepted at once."""
        name, customer, friend = f"{self.place}{len(self.invited)}", self.somebody(), self.somebody()
        known, of = self.random.choice([None, friend]), self.place + self.random.choice(sorted(OFFERS))
        self.pending.append(InvitePair(name, of, customer, known, name, self.now))
        self.invited.append(name)
        self.couples.append((customer, friend))
        if self.random.random() < ACCEPTED:
            self.say(AcceptPair(name, friend, self.now))

    def accept(self) -> None:
        if self.invited:
            self.say(AcceptPair(self.random.choice(self.invited), self.somebody(), self.now))

    def buy(self) -> None:
        self.bought(self.somebody(), self.somebody(), self.earlier())

    def both_buy(self) -> None:
        if self.couples:
            one, other = self.random.choice(self.couples[-3:])
            self.bought(one, other, self.earlier())
            self.bought(other, one, self.now)

    def bought(self, customer: str, companion: str, at: dt.datetime) -> None:
        invoice, total = f"{self.place}{len(self.model.sales)}", self.random.choice([5, 25, 40, 40])
        who, card = self.random.choice([(None, customer), (customer, None), (customer, None)])
        self.model.sales[invoice] = Sale(who, card, at, total, companion)
        more = {"card_number": card, "companion_id": companion, "at": (at - NOW) / dt.timedelta(hours=1)}
        said = purchase(invoice, f"{total}.00", who, **more)
        self.say(said._replace(origin=said.origin._replace(received_at=self.now)))

    def take_back(self) -> None:
        """A refund of any purchase, also of one that is still to come."""
        invoice = f"{self.place}{max(0, len(self.model.sales) + 1 - self.random.randrange(8))}"
        known = self.model.refunds.setdefault(invoice, {})
        name, amount = f"{len(known)}", self.random.choice([5, 20, 40])
        known[name] = amount
        self.say(refund(invoice, f"{amount}.00", name))

    def repeat(self) -> None:
        """Anything is heard again; an acceptance that was refused would be another one."""
        again = [each for each in self.said if not isinstance(each, AcceptPair)]
        self.pending += self.random.sample(again, min(2, len(again)))

    def seldom(self) -> None:
        customer, into = self.somebody(), self.somebody()
        what = self.random.choice(["card", "card", "card", "merge", "cancel"])
        if what == "card":
            self.model.cards.setdefault(customer, customer)
            self.say(HearCard(customer, customer))
        elif what == "merge":
            self.model.merge(customer, into)
            self.say(HearMerge(customer, into))
        elif self.invited:
            self.pending.append(CancelPair(self.random.choice(self.invited), "by mistake"))

    async def book(self) -> None:
        """Two writers, as two processes have them; what is said in another order ends the same."""
        commands, self.pending = self.pending, []
        lifecycle, now = self.random.choice(WRITERS), self.now
        await transact(self.engine, lambda connection: lifecycle.book(connection, [Request(commands)], now=now))
        self.now += dt.timedelta(hours=self.random.choice([0, 0, 1, 2, 5, 20]))

    async def look(self) -> None:
        self.pending += [SettlePair(each) for each in self.invited]
        at = self.now
        await self.book()
        self.now = at
        paid, found = await self.paid(), await self.seen(PAIRS)
        for pair in found:
            self.judge(pair, paid)
        stands = Counter(each["offer_id"] for each in found if each["status"] in {"accepted", "completed"})
        reserved = {each["offer_id"]: each["reserved"] for each in await self.seen(OFFER_ROWS)}
        assert reserved == {self.place + name: stands[self.place + name] for name in OFFERS}
        assert stands[self.place + "few"] <= BUDGET

    def judge(self, pair: dict[str, Any], paid: dict[str, list[str]]) -> None:
        """What was paid is what the state says, and the state is what all that was heard says."""
        is_complete = pair["status"] == "completed"
        assert sorted(paid.get(pair["pair_id"], [])) == (["friend", "referrer"] if is_complete else [])
        kind = pair["offer_id"].removeprefix(self.place)
        if pair["accepted_at"] is None or pair["status"] == "cancelled":
            assert not is_complete
        elif kind == "few" and pair["status"] == "expired":
            pass  # what is heard after the end may find no room
        else:
            assert is_complete == self.model.is_met(kind, pair), pair

    async def paid(self) -> dict[str, list[str]]:
        """Who has a reward now, by what was said: each for each time it was complete, once."""
        ever: set[str] = set()
        now: dict[str, list[str]] = {}
        for row in await self.seen(EVENTS):
            event = orjson.loads(row["payload"])
            data = event["data"]
            if event["type"] == "loyalty.pair.completed.v1":
                assert data["reward_id"] not in ever
                ever.add(data["reward_id"])
                now.setdefault(data["pair_id"], []).append(data["side"])
            if event["type"] == "loyalty.pair.reversed.v1":
                now[data["pair_id"]].remove(data["side"])
        return now

    async def seen(self, question: str) -> list[dict[str, Any]]:
        async with self.engine.connect() as connection:
            return [dict(row) for row in await fetch(connection, question, self.place)]


@pytest.mark.slow
async def test_no_history_pays_one_side_only_or_twice_or_beyond_the_budget(engine: AsyncEngine) -> None:
    for seed in range(HISTORIES):
        await History(Random(seed), engine).live(STEPS)
    async with engine.connect() as connection:
        assert await verify(connection) == []
