"""Random histories against a model of the books that is small enough to be seen right.

Each history has its own shop, customers and programme in one database; every run of the suite plays the same histories
(`derandomize`), so that a red one is red for everybody; `--hypothesis-seed` plays others.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from itertools import count, product
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from services.points.catalogue import Reward
from services.points.commands import (
    AdjustBalance,
    CancelClaim,
    CaptureHold,
    ChangeStatus,
    ClaimPurchase,
    ClaimReward,
    Command,
    EnrolCustomer,
    EraseCustomer,
    GivePoints,
    GrantPoints,
    JoinPool,
    KeepReward,
    LeavePool,
    MergeAccounts,
    Redeem,
    ReleaseHold,
    Request,
    ReverseRedemption,
    RevokeGrant,
    SettleAccount,
    SettlePurchase,
)
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.verification import verify
from shared.database import create_engine, fetch, transact
from shared.requests import Origin
from tests.points.conftest import NOW, purchase, refund
from tests.points.model import REWARD_POINTS, REWARD_STOCK, REWARDS_EACH, Model, Redemption, Rules

HISTORIES, STEPS = 300, 50
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
PROGRAMMES = [
    Rules(*rules)
    for rules in product(
        (0, 3),
        ("after_earning", "inactivity", "never"),
        (1,),
        ("rolling_year", "calendar_year"),
        ("to_earned", "one_level", "none"),
        ("debt", "write_off"),
    )
]
TASTING = Reward.model_validate(
    {
        "texts": {"en": {"title": "A tasting"}},
        "default_language": "en",
        "value": {"kind": "experience"},
        "points": REWARD_POINTS,
        "stock": REWARD_STOCK,
        "per_customer": REWARDS_EACH,
    }
)
Effect = Callable[[], object]
numbers = count()

SEEN = """
SELECT customer_id, available, pending, held, coalesce(tier, 'Basic') AS tier, ARRAY(
    SELECT remaining || ' until ' || coalesce(expires_on::text, 'ever') FROM lot
     WHERE lot.customer_id = account.customer_id AND remaining > 0) AS lots
  FROM account WHERE starts_with(customer_id, $1) AND merged_into IS NULL"""

ENDED = """
SELECT customer_id, available, pending, held, sequence, event_sequence FROM account
 WHERE starts_with(customer_id, $1) AND status = 'erased'"""

# what is written for one customer is numbered without a gap, in the order in which it was written
NUMBERS = """
SELECT key FROM (
  SELECT key, (convert_from(payload, 'UTF8')::jsonb->>'sequence')::bigint AS number,
      row_number() OVER (PARTITION BY key ORDER BY id) AS place FROM outbox WHERE topic = 'loyalty.points') AS said
 WHERE number <> place"""

customers = st.sampled_from(["anna", "ben", "cleo", "dora"])
invoices = st.integers(0, 19).map(str)
cents = st.integers(0, 20_000)
rewards = st.integers(0, 9).map(str)
writers = st.sampled_from([0, 1])


def money(amount: int) -> str:
    return str(Decimal(amount) / 100)


class Histories(RuleBasedStateMachine):
    """Commands are collected and booked in batches of a random size, as a poll or a till's moment brings them."""

    ledgers: list[Ledger]
    runner: asyncio.Runner
    engine: Any

    @initialize(rules=st.sampled_from(PROGRAMMES))
    def begin(self, rules: Rules) -> None:
        self.shop = f"shop-{next(numbers)}"
        self.model = Model(rules, NOW)
        self.pending: list[Command] = []
        self.events = count()
        self.redeemed: list[str] = []
        self.said: list[tuple[Command, Effect]] = []
        self.runner.run(self.published(Programme.model_validate(rules.document(self.shop))))
        self.pending.append(KeepReward(self.name("tasting"), TASTING, is_new=True))

    def name(self, customer: str) -> str:
        return f"{self.shop}-{customer}"

    # Purchases and refunds

    @rule(
        invoice=invoices,
        total=cents,
        wine=st.sampled_from([0, 0.25, 1]),
        customer=customers,
        anonymous=st.sampled_from([False, False, False, True]),
        days_ago=st.sampled_from([0, 0, 0, 2, 29, 40]),
    )
    def buy(
        self,
        invoice: str,
        total: int,
        wine: float,
        customer: str,
        *,
        anonymous: bool,
        days_ago: int,
        named: str | None = None,
    ) -> None:
        buyer, of_wine = None if anonymous else self.name(customer), int(total * wine)
        occurred_at = self.model.now - dt.timedelta(days=days_ago)
        lines = [("wine", of_wine), ("other", total - of_wine)]
        command = purchase(
            invoice,
            money(total),
            buyer,
            shop_id=self.shop,
            occurred_at=occurred_at.isoformat(),
            lines=[{"sku": name, "category": name, "amount": money(amount)} for name, amount in lines],
            redemption_ids=[] if named is None else [named],
        )
        effect = lambda: self.model.buy(invoice, total, of_wine, buyer, occurred_at, named)  # noqa: E731 - said again
        self.say(command._replace(origin=self.origin()), effect)

    @rule(data=st.data(), customer=customers, wine=st.sampled_from([0, 0.25]))
    def buy_anew(self, data: st.DataObject, customer: str, wine: float) -> None:
        """Most of what shops say is a new purchase of today."""
        fresh = [number for number in map(str, range(20)) if number not in self.model.bills]
        if fresh:
            total = data.draw(st.integers(1_000, 20_000))
            self.buy(fresh[0], total, wine, customer, anonymous=False, days_ago=0)

    @rule(invoice=invoices, amount=cents, name=st.sampled_from("abcd"))
    def take_back(self, invoice: str, amount: int, name: str) -> None:
        bill = self.model.bills.get(invoice)
        if bill is not None and bill.total is None and sum(bill.refunds.values()) + amount > 20_000:
            return  # which of several waiting refunds is refused would be part of the model
        command = refund(invoice, money(amount), name, shop_id=self.shop)
        self.say(command._replace(origin=self.origin()), lambda: self.model.refund(invoice, name, amount))

    @rule(invoice=invoices, customer=customers)
    def claim(self, invoice: str, customer: str) -> None:
        who = self.name(customer)
        self.say(ClaimPurchase(self.shop, invoice, who), lambda: self.model.claim(invoice, who))

    # Spending

    @rule(data=st.data(), customer=customers, hours=st.sampled_from([None, None, 1, 30, 300, 700]))
    def redeem(self, data: st.DataObject, customer: str, hours: int | None) -> None:
        """Mostly what somebody has, all of it or a part, and now and then more."""
        if not any(each.available > 0 for each in self.model.customers.values()):
            self.buy_anew(data, customer, 0)
        rich = [name for name, each in self.model.customers.items() if each.available > 0]
        who = data.draw(st.sampled_from(rich or [self.name(customer)]))
        most = self.model.customers[who].available if rich else 1
        self.spend(who, data.draw(st.sampled_from([most, max(1, most // 3), max(1, most // 3), most + 20])), hours)

    @rule(data=st.data(), hours=st.sampled_from([None, 1, 300]), after=st.sampled_from([0, 1, 500, 1500]))
    def spend_and_think_again(self, data: st.DataObject, hours: int | None, after: int) -> None:
        """A redemption that time passes over, and that is then ended or undone in some way."""
        self.redeem(data, "anna", hours)
        if after:
            self.pass_time(after, 0)
        if data.draw(st.booleans()):
            self.capture(data, data.draw(st.sampled_from([None, 1])), final=data.draw(st.booleans()))
        how = data.draw(st.sampled_from(["reverse", "reverse", "release", "pay"]))
        if how == "reverse":
            self.reverse(data, data.draw(st.sampled_from([None, 1])))
        elif how == "release":
            self.release(data)
        else:
            self.buy_with_points(data, own=True, anonymous=data.draw(st.booleans()))

    @rule(customer=customers, other=customers, part=st.sampled_from([0.2, 1]), hours=st.sampled_from([None, 30]))
    def spend_together(self, customer: str, other: str, part: float, hours: int | None) -> None:
        """Two of a household spend what one of them alone could not."""
        for name in (customer, other):
            self.enrol(name)
            self.share(name, "x", leave=False)
        who, friend = (self.model.customers[self.name(name)] for name in (customer, other))
        self.spend(self.name(customer), max(1, who.available + int(friend.available * part)), hours)

    def spend(self, who: str, points: int, hours: int | None) -> None:
        name = f"{self.shop}-r{next(self.events)}"
        self.redeemed.append(name)
        seconds = None if hours is None else hours * 3_600 + 1_800
        self.pending.append(Redeem(name, who, points, self.model.now, seconds))
        self.model.redeem(name, who, points, hours)

    @rule(data=st.data(), points=st.sampled_from([None, None, 1, 20]), final=st.booleans())
    def capture(self, data: st.DataObject, points: int | None, *, final: bool) -> None:
        if name := self.chosen(data, lambda each: each.held > 0):
            self.pending.append(CaptureHold(name, points, final))
            self.model.capture(name, points, final=final)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if name := self.chosen(data, lambda each: each.held > 0):
            self.pending.append(ReleaseHold(name))
            self.model.release(name)

    @rule(data=st.data(), points=st.sampled_from([None, None, 1, 20]))
    def reverse(self, data: st.DataObject, points: int | None) -> None:
        if name := self.chosen(data, lambda each: each.left > 0):
            self.pending.append(ReverseRedemption(name, points, "returned"))
            self.model.reverse(name, points)

    @rule(
        data=st.data(), own=st.sampled_from([True, True, True, False]), anonymous=st.sampled_from([False, False, True])
    )
    def buy_with_points(self, data: st.DataObject, *, own: bool, anonymous: bool) -> None:
        fresh = [number for number in map(str, range(20)) if number not in self.model.bills]
        name = self.chosen(data, lambda each: each.bill is None)
        if name is None or not fresh:
            return
        known = self.model.redemptions.get(name)
        names = {each: who for who, each in self.model.customers.items() if who not in self.model.aliases}
        buyer = names[known.customer].removeprefix(f"{self.shop}-") if own and known is not None else "ben"
        self.buy(fresh[0], 5_000, 0, buyer, anonymous=anonymous, days_ago=0, named=name)

    @rule(data=st.data(), part=st.sampled_from([0.1, 0.5, 1, 2]))
    def settle(self, data: st.DataObject, part: float) -> None:
        """Mostly what could be settled of a purchase that somebody made."""
        made = [number for number, bill in self.model.bills.items() if bill.customer is not None and bill.total]
        if not made:
            return
        invoice = data.draw(st.sampled_from(made))
        bill = self.model.bills[invoice]
        assert bill.customer is not None
        points = max(1, int(min(bill.customer.available, bill.total or 0) * part))
        name = f"{self.shop}-s{next(self.events)}"
        self.pending.append(SettlePurchase(name, self.shop, invoice, points, self.model.now))
        self.model.settle(name, invoice, points)

    @rule(customer=customers)
    def claim_reward(self, customer: str) -> None:
        who, name = self.name(customer), f"{self.shop}-c{next(self.events)}"
        self.redeemed.append(name)
        self.pending.append(ClaimReward(f"claim-{name}", name, who, self.name("tasting"), "", self.model.now))
        self.model.claim_reward(name, who)

    @rule(data=st.data())
    def cancel_claim(self, data: st.DataObject) -> None:
        if name := self.chosen(data, lambda each: each.is_claim and each.left > 0):
            self.pending.append(CancelClaim(f"claim-{name}", "changed their mind"))
            if name.split("-")[-1].startswith("c"):
                self.model.cancel_claim(name)

    def chosen(self, data: st.DataObject, fits: Callable[[Redemption], bool]) -> str | None:
        """Choose a redemption for which something can be done, or any where there is none."""
        fitting = [name for name in self.redeemed if (known := self.model.redemptions.get(name)) and fits(known)]
        return data.draw(st.sampled_from(fitting or self.redeemed)) if self.redeemed else None

    # Sharing

    @rule(customer=customers, to=customers, points=st.integers(1, 150))
    def give(self, customer: str, to: str, points: int) -> None:
        who, other = self.name(customer), self.name(to)
        self.pending.append(GivePoints(f"{self.shop}-g{next(self.events)}", who, other, points, self.model.now))
        self.model.give(who, other, points)

    @rule(customer=customers, pool=st.sampled_from("xy"), leave=st.sampled_from([False, False, True]))
    def share(self, customer: str, pool: str, *, leave: bool) -> None:
        who, household = self.name(customer), f"{self.shop}-{pool}"
        command = LeavePool(household, who) if leave else JoinPool(household, who, is_new=True)
        self.pending.append(command)
        (self.model.leave if leave else self.model.join)(household, who)

    # What other services owe

    @rule(reward=rewards, customer=customers, days=st.sampled_from([None, None, -1, 0, 20]))
    def grant(self, reward: str, customer: str, days: int | None) -> None:
        who, name, points = self.name(customer), self.name(reward), 30 + 20 * int(reward)
        last_day = None if days is None else self.model.today + dt.timedelta(days=days)
        command = GrantPoints("test", name, who, points, "referral", self.model.now, self.origin(), last_day)
        self.pending.append(command)
        self.model.grant(name, who, points, last_day)

    @rule(reward=rewards, customer=customers, own=st.sampled_from([True, True, False]))
    def revoke(self, reward: str, customer: str, *, own: bool) -> None:
        """Mostly of whoever has it, after it or before it."""
        name = self.name(reward)
        known = self.model.grants.get(name)
        who = known.named if own and known is not None else self.name(customer)
        self.pending.append(RevokeGrant("test", name, who, "refunded", self.model.now, self.origin()))
        self.model.revoke(name, who)

    # Accounts

    @rule(customer=customers)
    def enrol(self, customer: str) -> None:
        who = self.name(customer)
        self.say(EnrolCustomer(who, self.model.now), lambda: self.model.enrol(who))

    @rule(customer=customers, points=st.integers(-300, 300).filter(bool), correction=st.booleans())
    def adjust(self, customer: str, points: int, *, correction: bool) -> None:
        who, name = self.name(customer), f"{self.shop}-{next(self.events)}"
        self.pending.append(
            AdjustBalance(name, who, points, "goodwill", "tester", self.model.now, allow_debt=correction)
        )
        self.model.adjust(who, points, correction=correction)

    @rule(customer=customers, status=st.sampled_from(["active", "active", "active", "blocked", "closed"]))
    def change_status(self, customer: str, status: Literal["active", "blocked", "closed"]) -> None:
        who = self.name(customer)
        self.say(ChangeStatus(who, status, "asked for"), lambda: self.model.change_status(who, status))

    @rule(customer=customers, into=customers, sure=st.sampled_from([False, False, True]))
    def merge(self, customer: str, into: str, *, sure: bool) -> None:
        if not sure:
            return  # or everybody would soon be one
        who, other = self.name(customer), self.name(into)
        self.say(MergeAccounts(who, other, "enrolled twice"), lambda: self.model.merge(who, other))

    @rule(index=st.integers(0, 99))
    def repeat(self, index: int) -> None:
        if self.said:
            command, effect = self.said[index % len(self.said)]
            self.pending.append(command)
            effect()

    # Time

    @rule(ledger=writers)
    def book(self, ledger: int) -> None:
        """Two ledgers, as two processes have them."""
        commands, self.pending = self.pending, []
        if commands:
            self.runner.run(self.booked(ledger, commands))

    @rule(hours=st.sampled_from([1, 13, 24, 24, 48, 240, 700, 2000, 9000]), ledger=writers)
    def pass_time(self, hours: int, ledger: int) -> None:
        self.book(ledger)
        self.model.pass_time(dt.timedelta(hours=hours))

    @rule(customer=customers, ledger=writers)
    def settle_one(self, customer: str, ledger: int) -> None:
        """Some accounts are looked at on time, others late or never."""
        self.book(ledger)
        self.runner.run(self.booked(ledger, [SettleAccount(self.name(customer))]))

    @rule()
    def look(self) -> None:
        """Two jobs at the same time settle everybody; then the books are those of the model."""
        self.book(0)
        self.runner.run(self.settled())
        expected = self.model.seen()
        assert self.runner.run(self.seen()) == expected

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.look()
            self.erase_some()

    def erase_some(self) -> None:
        """Two of the four are erased at the end of it all, and everything that may be said again is."""
        names = [self.name(customer) for customer in ("anna", "cleo")]
        self.runner.run(self.booked(0, [EraseCustomer(name, self.origin()) for name in names]))
        ended = self.runner.run(self.ended())
        assert all(sides == (0, 0, 0) for sides, _ in ended.values())
        self.runner.run(self.booked(1, [*(command for command, _ in self.said), SettleAccount(names[0])]))
        assert self.runner.run(self.ended()) == ended

    def origin(self) -> Origin:
        return Origin("/test", f"{self.shop}-{next(self.events)}", self.model.now)

    def say(self, command: Command, effect: Effect) -> None:
        """Say what may be said again: what was refused the first time may come at a better moment."""
        self.pending.append(command)
        self.said.append((command, effect))
        effect()

    async def published(self, programme: Programme) -> None:
        async with self.engine.begin() as connection:
            await self.ledgers[0].publish(connection, programme, valid_from=LONG_AGO, now=NOW, actor="tester")

    async def booked(self, ledger: int, commands: list[Command]) -> None:
        now, writer = self.model.now, self.ledgers[ledger]
        await transact(self.engine, lambda connection: writer.book(connection, [Request(commands)], now=now))

    async def settled(self) -> None:
        commands: list[Command] = [SettleAccount(name) for name in self.model.customers]
        if commands:
            await asyncio.gather(self.booked(0, commands), self.booked(1, commands))

    async def seen(self) -> dict[str, tuple[int, int, int, str, list[str]]]:
        async with self.engine.connect() as connection:
            rows = await fetch(connection, SEEN, f"{self.shop}-")
        return {row[0]: (*row[1:5], sorted(row[5])) for row in rows}

    async def ended(self) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
        async with self.engine.connect() as connection:
            rows = await fetch(connection, ENDED, f"{self.shop}-")
        return {row[0]: (tuple(row[1:4]), tuple(row[4:])) for row in rows}


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
        assert await fetch(connection, NUMBERS) == []
        await connection.rollback()
        return [*await verify(connection)]
