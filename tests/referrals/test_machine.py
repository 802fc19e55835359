"""Random histories against a model of referrals that is small enough to be seen right.

Each history has its own shop, customers and programmes in one database; every run of the suite plays the same histories
(`derandomize`), so that a red one is red for everybody; `--hypothesis-seed` plays others.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import count, product

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import NOBODY as NO_CONTACT
from services.referrals.commands import (
    AcceptClaim,
    ClaimCode,
    Command,
    HearCard,
    HearCustomer,
    HearMerge,
    MakeCode,
    RejectClaim,
    Request,
    SettleReferral,
)
from services.referrals.lifecycle import Lifecycle
from services.referrals.names import claim_of_event, claim_of_purchase
from services.referrals.programme import Programme
from services.referrals.verification import verify
from shared import codes
from shared.database import create_engine, fetch, transact
from shared.requests import Origin
from shared.verification import Finding
from tests.referrals.conftest import NOW, purchase, refund
from tests.referrals.model import Model, Rules

HISTORIES, STEPS = 100, 40
LONG_AGO, SOON = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), NOW + dt.timedelta(days=6)
PROGRAMMES = [Rules(*rules) for rules in product((0, 3, 14), (1, 2, None), ("reject", "accept"), ((), (1, 3), (2,)))]
PEOPLE = ["anna", "ben", "cleo", "dora", "emil", "fritz", "gina", "hugo", "ida", "jan", "kim", "lea"]
OWNERS = ["anna", "anna", "ben", "cleo", "dora", "emil", "fritz", "gina", "nobody"]
CARDS = ["C-1", "C-2", "C-3", "C-4"]
Effect = Callable[[], object]
numbers = count()

STATES = "SELECT referral_id, status, reason, round FROM referral WHERE starts_with(friend_id, $1)"

POINTS = """
WITH said AS (SELECT id, key, convert_from(payload, 'UTF8')::jsonb AS said FROM outbox WHERE starts_with(key, $1)),
  given AS (
    SELECT said->'data'->>'reward_id' AS reward_id, key, (said->'data'->'reward'->>'points')::bigint AS points FROM said
     WHERE said->>'type' = 'loyalty.referral.rewarded.v1'),
  moves AS (
    SELECT key, points FROM given
     UNION ALL SELECT said.key, -points FROM said JOIN given ON reward_id = said->'data'->>'reward_id'
     WHERE said->>'type' = 'loyalty.referral.reversed.v1')
SELECT coalesce(merged_into, customer_id) AS person, sum(points)::bigint AS points
  FROM moves JOIN customer ON customer_id = key GROUP BY 1 HAVING sum(points) <> 0"""

people = st.sampled_from(PEOPLE)
owners = st.sampled_from(OWNERS)
cards = st.sampled_from(CARDS)
invoices = st.integers(0, 29).map(str)
totals = st.sampled_from([1_999, 2_000, 2_400, 2_500, 5_000])
hours_ago = st.sampled_from([0, 0, 0, 1, 30, 100, 700])
writers = st.sampled_from([0, 1])


def money(amount: int) -> str:
    return str(Decimal(amount) / 100)


def drawn(number: int) -> str:
    symbols = []
    for _ in range(7):
        number, place = divmod(number, len(codes.ALPHABET))
        symbols.append(codes.ALPHABET[place])
    return codes.code("".join(symbols))


class Histories(RuleBasedStateMachine):
    """Commands are collected and booked in batches of a random size, as a poll or a till's moment brings them."""

    lifecycles: list[Lifecycle]
    runner: asyncio.Runner
    engine: AsyncEngine
    failed = True

    @initialize(first=st.sampled_from(PROGRAMMES), then=st.sampled_from(PROGRAMMES))
    def begin(self, first: Rules, then: Rules) -> None:
        self.shop = f"shop-{next(numbers)}"
        self.model = Model([(LONG_AGO, first), (SOON, then)], NOW)
        self.pending: list[Command] = []
        self.events = count()
        self.said: list[tuple[Command, Effect]] = []
        self.runner.run(self.published(first, LONG_AGO))
        self.runner.run(self.published(then, SOON))
        for name in PEOPLE[:7]:
            code = drawn(next(numbers))
            self.model.codes[code] = self.name(name)
            self.pending.append(MakeCode(self.name(name), code))

    def name(self, customer: str) -> str:
        return f"{self.shop}-{customer}"

    def code_of(self, owner: str) -> str:
        names = {name: code for code, name in self.model.codes.items()}
        return names.get(self.name(owner), "2222-2223")

    # Claims

    @rule(friend=people, owner=owners, ago=hours_ago)
    def claim(self, friend: str, owner: str, ago: int) -> None:
        at, who, code = self.model.now - dt.timedelta(hours=ago), self.name(friend), self.code_of(owner)
        name = f"{self.shop}-{next(self.events):03}"
        self.say(ClaimCode(name, code, who, at, "rest"), lambda: self.model.claim(name, code, who, at))

    @rule(friend=people, owner=owners, card=cards, ago=hours_ago, has_card=st.booleans())
    def register(self, friend: str, owner: str, card: str, ago: int, *, has_card: bool) -> None:
        at, who, code = self.model.now - dt.timedelta(hours=ago), self.name(friend), self.code_of(owner)
        origin, number = self.origin(), self.name(card)

        def effect() -> None:
            if has_card:
                self.model.learn_card(number, who)
            self.model.claim(claim_of_event(origin.source, origin.id), code, who, at)

        self.say(HearCustomer(who, NO_CONTACT, number if has_card else None, code, at, origin), effect)

    @rule(friend=people, owner=owners, total=totals, invoice=invoices)
    def recommend(self, friend: str, owner: str, total: int, invoice: str) -> None:
        """What mostly happens: somebody claims a code and buys, in whichever order that is heard."""
        self.claim(friend, owner, 2)
        self.buy(invoice, total, friend, "C-1", 1, owner, how="name", claims=False, with_shipping=False)

    @rule(writer=writers, then=st.sampled_from([48, 400]))
    def recommend_until_the_month_is_full(self, writer: int, then: int) -> None:
        """Four friends of one, more than a month has rewards for."""
        for place, friend in enumerate(PEOPLE[-4:]):
            self.claim(friend, "anna", 2)
            for name in [name for name, claim in self.model.claims.items() if claim.status == "review"]:
                self.say(AcceptClaim(name, "staff"), partial(self.model.accept, name))
            self.buy(f"F-{place}", 5_000, friend, "C-1", 1, "nobody", how="name", claims=False, with_shipping=False)
        self.pass_time(then, writer)

    @rule(index=st.integers(0, 99), accept=st.booleans())
    def decide(self, index: int, *, accept: bool) -> None:
        names = [name for name, claim in self.model.claims.items() if claim.status == "review"] or [*self.model.claims]
        if not names:
            return
        name = names[index % len(names)]
        if accept:
            self.say(AcceptClaim(name, "staff"), lambda: self.model.accept(name))
        else:
            self.say(RejectClaim(name, "staff", "made up"), lambda: self.model.reject(name, "made up"))

    # Purchases and refunds

    @rule(
        invoice=invoices,
        total=totals,
        friend=people,
        card=cards,
        ago=hours_ago,
        owner=owners,
        how=st.sampled_from(["name", "name", "card", "nobody"]),
        claims=st.sampled_from([False, False, True]),
        with_shipping=st.booleans(),
    )
    def buy(
        self,
        invoice: str,
        total: int,
        friend: str,
        card: str,
        ago: int,
        owner: str,
        *,
        how: str,
        claims: bool,
        with_shipping: bool,
    ) -> None:
        at = self.model.now - dt.timedelta(hours=ago)
        who = self.name(friend) if how == "name" else None
        number = self.name(card) if how == "card" else None
        code, shipping = self.code_of(owner) if claims else None, 490 if with_shipping else 0
        command = purchase(
            invoice,
            money(total),
            who,
            card_number=number,
            shop_id=self.shop,
            occurred_at=at.isoformat(),
            referral_code=code,
            shipping=money(shipping),
        )
        name = claim_of_purchase(self.shop, invoice)
        effect = lambda: self.model.buy(invoice, total, shipping, who, number, at, code, name)  # noqa: E731 - said again
        self.say(command._replace(origin=self.origin()), effect)

    @rule(
        index=st.integers(0, 99),
        amount=st.sampled_from([1, 400, 501, 2_000, 5_000]),
        name=st.sampled_from("abc"),
        ahead=invoices,
    )
    def take_back(self, index: int, amount: int, name: str, ahead: str) -> None:
        """Mostly of what was bought, but also of what is still to be heard of."""
        known = [*self.model.bills, ahead]
        invoice = known[index % len(known)]
        command = refund(invoice, money(amount), name, shop_id=self.shop)
        self.say(command._replace(origin=self.origin()), lambda: self.model.refund(invoice, name, amount))

    @rule(index=st.integers(0, 99), invoice=invoices, total=totals)
    def return_and_buy_again(self, index: int, invoice: str, total: int) -> None:
        """A friend sends back what counted, and may buy something else."""
        bills = [(each.friend, each.bill) for each in self.model.claims.values() if each.has_qualified and each.bill]
        if not bills:
            return
        friend, bill = bills[index % len(bills)]
        number, amount = bill.number, bill.total or 0
        command = refund(number, money(amount), "all", shop_id=self.shop)
        self.say(command._replace(origin=self.origin()), lambda: self.model.refund(number, "all", amount))
        who = friend.removeprefix(f"{self.shop}-")
        self.buy(invoice, total, who, "C-1", 0, "nobody", how="name", claims=False, with_shipping=False)

    @rule(card=cards, owner=people)
    def learn_card(self, card: str, owner: str) -> None:
        number, who = self.name(card), self.name(owner)
        self.say(HearCard(number, who), lambda: self.model.learn_card(number, who))

    @rule(customer=people, into=people, sure=st.sampled_from([False, False, True]))
    def merge(self, customer: str, into: str, *, sure: bool) -> None:
        if not sure:
            return  # or everybody would soon be one
        who, other = self.name(customer), self.name(into)
        self.say(HearMerge(who, other), lambda: self.model.merge(who, other))

    @rule(index=st.integers(0, 99))
    def repeat(self, index: int) -> None:
        if self.said:
            command, effect = self.said[index % len(self.said)]
            self.pending.append(command)
            effect()

    # Time

    @rule(writer=writers)
    def book(self, writer: int) -> None:
        """Two writers, as two processes have them."""
        commands, self.pending = self.pending, []
        if commands:
            self.failed = True
            self.runner.run(self.booked(writer, commands))
            self.failed = False

    @rule(hours=st.sampled_from([1, 13, 24, 48, 100, 240, 700]), writer=writers)
    def pass_time(self, hours: int, writer: int) -> None:
        self.book(writer)
        self.model.pass_time(dt.timedelta(hours=hours))
        due: list[Command] = [SettleReferral(name, each.friend) for name, each in self.model.claims.items()]
        if due:
            self.runner.run(self.booked(writer, due))

    @rule()
    def look(self) -> None:
        self.book(0)
        assert self.runner.run(self.states()) == self.model.states()
        assert self.runner.run(self.points()) == self.model.points()

    def teardown(self) -> None:
        if not self.failed:
            self.look()

    def origin(self) -> Origin:
        return Origin("/test", f"{self.shop}-{next(self.events)}", self.model.now)

    def say(self, command: Command, effect: Effect) -> None:
        self.pending.append(command)
        self.said.append((command, effect))
        effect()

    async def published(self, rules: Rules, valid_from: dt.datetime) -> None:
        programme = Programme.model_validate(rules.document())
        async with self.engine.begin() as connection:
            await self.lifecycles[0].publish(connection, programme, valid_from=valid_from, now=NOW, actor="tester")

    async def booked(self, writer: int, commands: list[Command]) -> None:
        now, lifecycle = self.model.now, self.lifecycles[writer]
        await transact(self.engine, lambda connection: lifecycle.book(connection, [Request(commands)], now=now))

    async def states(self) -> dict[str, tuple[str, str | None, int]]:
        async with self.engine.connect() as connection:
            return {row[0]: tuple(row)[1:] for row in await fetch(connection, STATES, f"{self.shop}-")}

    async def points(self) -> dict[str, int]:
        async with self.engine.connect() as connection:
            return {row["person"]: row["points"] for row in await fetch(connection, POINTS, f"{self.shop}-")}


@pytest.mark.slow
def test_no_history_ends_differently_from_the_model(referrals_url: str) -> None:
    with asyncio.Runner() as runner:
        Histories.runner, Histories.lifecycles = runner, [Lifecycle(), Lifecycle()]
        Histories.engine = create_engine(referrals_url, name="machine", pool_size=2)
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],  # a history tells enough by itself; to shrink one on a database takes minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(Histories.engine.dispose())
        Histories.engine = create_engine(referrals_url, name="verify", reporting=True)
        assert runner.run(findings()) == []
        runner.run(Histories.engine.dispose())


async def findings() -> list[Finding]:
    async with Histories.engine.connect() as connection:
        return await verify(connection)
