"""A model of referrals that keeps facts in dictionaries and looks everything up: slow, and sharing no rule with the service."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
DAY = dt.timedelta(days=1)
FRIEND, REFERRER, RUNG = 7, 50, 1_000
"""Points that are told apart in a sum."""


@dataclass(frozen=True)
class Rules:
    """What differs between the programmes that are tried; money is in cents everywhere."""

    hold_days: int
    cap: int | None
    deadline: str
    ladder: tuple[int, ...]
    minimum: int = 2_000
    window_days: int = 20
    review_days: int = 3
    claims_a_day: int = 4

    def document(self) -> dict[str, Any]:
        return {
            "time_zone": "Europe/Berlin",
            "friend": {"kind": "points", "points": FRIEND},
            "referrer": {"kind": "points", "points": REFERRER},
            "minimum": f"{self.minimum / 100:.2f}",
            "window_days": self.window_days,
            "hold_days": self.hold_days,
            "rewards_per_referrer_and_month": self.cap,
            "claims_per_referrer_and_day": self.claims_a_day,
            "review_days": self.review_days,
            "review_deadline": self.deadline,
            "ladder": [{"count": n, "benefit": {"kind": "points", "points": n * RUNG}} for n in self.ladder],
        }


@dataclass(eq=False)
class Bill:
    number: str
    total: int | None = None
    counts: int = 0
    buyer: str | None = None
    card: str | None = None
    at: dt.datetime | None = None
    code: str | None = None
    claim: str = ""
    refunds: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    @property
    def left(self) -> int:
        return self.counts - sum(self.refunds.values())


@dataclass(eq=False)
class Claim:
    name: str
    code: str
    friend: str
    owner: str | None
    at: dt.datetime
    received: dt.datetime
    rules: Rules
    status: str = "claimed"
    reason: str | None = None
    until: dt.datetime | None = None
    bill: Bill | None = None
    month: tuple[int, int] = (0, 0)
    round: int = 0
    friend_has: bool = False
    referrer: str = "nothing"

    @property
    def lives(self) -> bool:
        return self.status != "rejected"

    @property
    def has_qualified(self) -> bool:
        return self.status in {"qualified", "rewarded"}


def arrival(claim: Claim) -> tuple[dt.datetime, dt.datetime, str]:
    return claim.received, claim.at, claim.name


class Model:
    """Everybody's codes, claims and bills; `given` are rewards of referrers that ever were, by name and month."""

    def __init__(self, programmes: list[tuple[dt.datetime, Rules]], now: dt.datetime) -> None:
        self.programmes = programmes
        self.now = now
        self.aliases: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.cards: dict[str, str] = {}
        self.bills: dict[str, Bill] = {}
        self.claims: dict[str, Claim] = {}
        self.given: list[tuple[str, tuple[int, int]]] = []
        self.rungs: list[tuple[str, int]] = []

    # Who and what

    def who(self, name: str) -> str:
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def is_one(self, one: str, other: str | None) -> bool:
        return other is not None and self.who(one) == self.who(other)

    def claim_of(self, friend: str) -> Claim | None:
        found = [each for each in self.claims.values() if each.lives and self.is_one(friend, each.friend)]
        return min(found, key=arrival, default=None)

    def bills_of(self, customer: str) -> list[Bill]:
        found = [each for each in self.bills.values() if self.is_one(customer, each.buyer)]
        return sorted(found, key=lambda each: (each.at, each.number))

    def is_above(self, customer: str, friend: str) -> bool:
        """Tell whether a customer referred a friend, directly or through others."""
        seen: list[Claim] = []
        while (claim := self.claim_of(friend)) is not None and claim.owner is not None and claim not in seen:
            if self.is_one(customer, claim.owner):
                return True
            seen.append(claim)
            friend = claim.owner
        return False

    # Claims

    def claim(self, name: str, code: str, friend: str, at: dt.datetime) -> None:
        before = self.claim_of(friend)
        if name in self.claims or (before is not None and before.code == code):
            return
        rules = [rules for begins, rules in self.programmes if begins <= at][-1]
        claim = Claim(name, code, friend, self.codes.get(code), at, self.now, rules)
        claim.reason = self.refusal(claim, before)
        in_review = claim.reason is None and self.is_fast(claim)
        self.claims[name] = claim
        if claim.reason is not None:
            claim.status = "rejected"
        elif in_review:
            claim.status, claim.reason, claim.until = "review", "velocity", self.now + rules.review_days * DAY
        self.judge(claim)

    def refusal(self, claim: Claim, before: Claim | None) -> str | None:
        if claim.owner is None:
            return "code-unknown"
        if self.is_one(claim.friend, claim.owner):
            return "own-code"
        if before is not None:
            return "referred-already"
        if any(bill.at is not None and bill.at < claim.at for bill in self.bills_of(claim.friend)):
            return "bought-before"
        return "circle" if self.is_above(claim.friend, claim.owner) else None

    def is_fast(self, claim: Claim) -> bool:
        others = [each for each in self.claims.values() if each.lives and self.is_one(claim.owner or "", each.owner)]
        today = [each for each in others if each.received > self.now - DAY]
        in_month = [each for each in others if self.month(each.received) == self.month(self.now)]
        cap = claim.rules.cap
        return len(today) >= claim.rules.claims_a_day or (cap is not None and len(in_month) >= cap)

    @staticmethod
    def month(at: dt.datetime) -> tuple[int, int]:
        local = at.astimezone(BERLIN)
        return local.year, local.month

    def accept(self, name: str) -> None:
        claim = self.claims.get(name)
        if claim is not None and claim.status == "review":
            claim.status, claim.until = "claimed", None
            self.judge(claim)

    def reject(self, name: str, reason: str) -> None:
        claim = self.claims.get(name)
        if claim is not None and claim.lives:
            self.end(claim, reason)

    def end(self, claim: Claim, reason: str) -> None:
        self.undo(claim)
        claim.status, claim.reason, claim.until = "rejected", reason, None

    # What a claim is worth, judged anew whenever anything changed

    def judge(self, claim: Claim) -> None:
        if not claim.lives:
            return
        self.wait(claim)
        bills = self.bills_of(claim.friend)
        if any(bill.at is not None and bill.at < claim.at for bill in bills):
            self.end(claim, "bought-before")
        if claim.status in {"review", "rejected"}:
            return
        ends = claim.at + claim.rules.window_days * DAY
        enough = [bill for bill in bills if bill.at is not None and bill.at < ends and bill.left >= claim.rules.minimum]
        if enough:
            self.qualify(claim, enough[0])
        else:
            self.undo(claim)
        self.wait(claim)

    def qualify(self, claim: Claim, bill: Bill) -> None:
        assert bill.at is not None
        if claim.status == "claimed":
            claim.status, claim.round, claim.month = "qualified", claim.round + 1, self.month(bill.at)
            claim.friend_has, claim.referrer = True, "held"
        claim.bill = bill
        if claim.status == "qualified":
            claim.until = bill.at + claim.rules.hold_days * DAY

    def wait(self, claim: Claim) -> None:
        """Let happen what time brings."""
        if claim.until is None or claim.until > self.now:
            return
        claim.until = None
        if claim.status == "review" and claim.rules.deadline == "accept":
            claim.status = "claimed"
            self.judge(claim)
        elif claim.status == "review":
            self.end(claim, "review-over")
        else:
            self.reward(claim)

    def reward(self, claim: Claim) -> None:
        owner = claim.owner or ""
        before = [month for name, month in self.given if self.is_one(name, owner) and month == claim.month]
        claim.status, claim.referrer = "rewarded", "capped"
        if claim.rules.cap is None or len(before) < claim.rules.cap:
            claim.referrer = "given"
            self.given.append((owner, claim.month))
        self.climb(claim)

    def undo(self, claim: Claim) -> None:
        if not claim.has_qualified:
            return
        was_rewarded = claim.status == "rewarded"
        claim.status, claim.until, claim.friend_has, claim.referrer = "claimed", None, False, "nothing"
        if was_rewarded:
            self.climb(claim)

    def climb(self, claim: Claim) -> None:
        owner = claim.owner or ""
        count = sum(each.status == "rewarded" and self.is_one(owner, each.owner) for each in self.claims.values())
        self.rungs = [(name, rung) for name, rung in self.rungs if not self.is_one(name, owner) or rung <= count]
        has = {rung for name, rung in self.rungs if self.is_one(name, owner)}
        self.rungs += [(owner, rung) for rung in claim.rules.ladder if rung <= count and rung not in has]

    # What is heard

    def buy(  # noqa: PLR0917 - a purchase has so many parts
        self,
        number: str,
        total: int,
        shipping: int,
        who: str | None,
        card: str | None,
        at: dt.datetime,
        code: str | None,
        claim: str,
    ) -> None:
        bill = self.bills.setdefault(number, Bill(number))
        if bill.total is not None:
            if bill.buyer is None and bill.card is None and who is not None:
                self.attach(bill, who)
            return
        waiting, bill.refunds = bill.refunds, {}
        bill.total, bill.counts, bill.at, bill.code, bill.claim = total, max(0, total - shipping), at, code, claim
        bill.card = None if who is not None else card
        for name, amount in waiting.items():
            if sum(bill.refunds.values()) + amount <= total:
                bill.refunds[name] = amount
            else:
                bill.refused.add(name)
        buyer = who or self.cards.get(card or "")
        if buyer is not None:
            self.attach(bill, buyer)

    def attach(self, bill: Bill, buyer: str) -> None:
        bill.buyer = buyer
        if bill.code is not None and bill.at is not None:
            self.claim(bill.claim, bill.code, buyer, bill.at)
        self.look_at(buyer)

    def look_at(self, friend: str) -> None:
        claim = self.claim_of(friend)
        if claim is not None:
            self.judge(claim)

    def refund(self, number: str, name: str, amount: int) -> None:
        bill = self.bills.setdefault(number, Bill(number))
        is_too_much = bill.total is not None and sum(bill.refunds.values()) + amount > bill.total
        if name in bill.refunds or name in bill.refused or is_too_much:
            return
        bill.refunds[name] = amount
        if bill.buyer is not None:
            self.look_at(bill.buyer)

    def learn_card(self, card: str, owner: str) -> None:
        if card in self.cards:
            return
        self.cards[card] = owner
        waiting = [bill for bill in self.bills.values() if bill.card == card and bill.buyer is None and bill.at]
        for bill in sorted(waiting, key=lambda each: (each.at, each.number)):
            self.attach(bill, owner)

    def merge(self, name: str, into: str) -> None:
        if name in self.aliases or self.is_one(name, into):
            return
        both = [claim for each in (name, into) if (claim := self.claim_of(each)) is not None]
        self.aliases[name] = self.who(into)
        for claim in sorted(both, key=arrival):
            if self.claim_of(name) is claim:
                self.take_over(claim, name)
            else:
                self.end(claim, "referred-already")

    def take_over(self, claim: Claim, name: str) -> None:
        if self.is_one(name, claim.owner):
            self.end(claim, "own-code")
        elif self.is_above(name, name):
            self.end(claim, "circle")
        else:
            self.judge(claim)

    def pass_time(self, time: dt.timedelta) -> None:
        """What is due happens in the order in which it became due."""
        self.now += time
        due = [each for each in self.claims.values() if each.until is not None and each.until <= self.now]
        for claim in sorted(due, key=lambda each: (each.until, each.name)):
            self.wait(claim)

    # What is seen

    def states(self) -> dict[str, tuple[str, str | None, int]]:
        return {each.name: (each.status, each.reason, each.round) for each in self.claims.values()}

    def points(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for claim in self.claims.values():
            brought = (claim.friend, FRIEND * claim.friend_has), (claim.owner, REFERRER * (claim.referrer == "given"))
            for name, points in brought:
                if name is not None and points:
                    found[self.who(name)] = found.get(self.who(name), 0) + points
        for name, rung in self.rungs:
            found[self.who(name)] = found.get(self.who(name), 0) + rung * RUNG
        return found
