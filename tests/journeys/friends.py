"""Friends who come by recommendation: what they do in every way there is, and what it should bring everybody in points."""

import datetime as dt
import itertools
import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from confluent_kafka import Producer

PURCHASES, CUSTOMERS = "loyalty.purchases", "loyalty.customers"
SOURCE = "/shops/harbour"
TWICE = 0.3
"""The share of records that are delivered twice."""

COUPON = {"kind": "coupon", "coupon": {"value": {"kind": "percentage_voucher", "percent": "10"}, "valid_days": 30}}
UNLIMITED = {"claims_per_referrer_and_day": None, "rewards_per_referrer_and_month": None}
RUNGS = {3: 100, 9: 300}
MINIMUM, FRIEND, REFERRER = 20, 200, 500


class Rules(NamedTuple):
    """A version of the programme: since when it holds, and what it gives in points."""

    days_ago: float
    friend: int
    referrer: int
    hold_days: int

    @property
    def document(self) -> dict[str, Any]:
        benefits = {"friend": _benefit(self.friend), "referrer": _benefit(self.referrer)}
        return {"hold_days": self.hold_days, "minimum": str(MINIMUM), "ladder": LADDER} | benefits | UNLIMITED


def _benefit(points: int) -> dict[str, Any]:
    return {"kind": "points", "points": points} if points else COUPON


LADDER = [
    {"count": 3, "benefit": _benefit(100)},
    {"count": 6, "benefit": COUPON},
    {"count": 9, "benefit": _benefit(300)},
]

POINTS, COUPONS = Rules(1_000, FRIEND, REFERRER, 14), Rules(5, 0, 300, 0)

ERAS = {"the hold is over": (POINTS, 20), "within the hold": (POINTS, 10), "coupons, no hold": (COUPONS, 4)}
"""By which rules a friend claims, and how many days ago."""

WAYS = ("when registering", "in a purchase", "with a card", "over REST", "not at all")
"""How a friend claims a code; one with a card is known by it alone when buying."""


class Sale(NamedTuple):
    """A purchase so many days after the claim, and the amounts of it that are taken back."""

    days: float
    total: str
    refunds: tuple[str, ...] = ()

    @property
    def left(self) -> Decimal:
        return Decimal(self.total) - sum(map(Decimal, self.refunds))


HISTORIES: dict[str, tuple[Sale, ...]] = {
    "buys": (Sale(0, "49.95"),),
    "buys twice": (Sale(0, "30.00"), Sale(1, "80.00")),
    "too little, then enough": (Sale(0, "19.99"), Sale(1, "20.00")),
    "keeps enough": (Sale(0, "60.00", ("15.00", "25.00")),),
    "gives it back": (Sale(0, "60.00", ("33.33", "26.67")),),
    "keeps too little": (Sale(0, "60.00", ("10.00", "30.01")),),
    "gives it back and buys again": (Sale(0, "60.00", ("60.00",)), Sale(1, "25.00")),
    "gives both back": (Sale(0, "60.00", ("60.00",)), Sale(1, "25.00", ("24.00",))),
    "had bought before": (Sale(-1, "5.00"), Sale(0, "60.00")),
}


class Record(NamedTuple):
    topic: str
    key: str
    value: bytes | None


def record(rng: random.Random, topic: str, kind: str, *, who: str, at: dt.datetime, data: dict[str, Any]) -> Record:
    """Return an event as a shop's system sends it."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.UUID(int=rng.getrandbits(128))),
        "source": SOURCE,
        "type": f"loyalty.{kind}.v1",
        "subject": who,
        "time": at.isoformat(),
        "data": data,
    }
    return Record(topic, who, json.dumps(event).encode())


class Claim(NamedTuple):
    """What a friend says over REST."""

    code: str
    customer_id: str
    claimed_at: str


Said = Record | Claim


@dataclass(frozen=True, slots=True)
class Friend:
    """Somebody new; their name tells what they do."""

    name: str
    referrer: str
    way: str
    rules: Rules
    claimed_at: dt.datetime
    sales: tuple[Sale, ...]

    @property
    def card_number(self) -> str | None:
        return f"card-{self.name.partition(':')[0]}" if self.way == "with a card" else None

    def invoice(self, place: int) -> str:
        return f"{self.name.partition(':')[0]}/{place}"

    def at(self, sale: Sale) -> dt.datetime:
        return self.claimed_at + dt.timedelta(days=sale.days)


@dataclass
class Crowd:
    """A shop whose customers recommend it; `codes` are the referrers' own, `sent` counts the records of each topic."""

    servers: str
    codes: dict[str, str]
    rng: random.Random
    now: dt.datetime
    friends: list[Friend] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        settings = {"bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        self._producer = Producer(settings)

    def invite(self, times: int) -> list[Said]:
        """Have new friends do everything there is so often, and return all of it in some order."""
        said: list[Said] = []
        for era, way, history in list(itertools.product(ERAS, WAYS, HISTORIES)) * times:
            rules, days = ERAS[era]
            name = f"f-{len(self.friends)}: {way}, {era}, {history}"
            at = self.now - dt.timedelta(days=days)
            friend = Friend(name, self.rng.choice(list(self.codes)), way, rules, at, HISTORIES[history])
            self.friends.append(friend)
            said += [each for each in self._of(friend) for _ in range(1 + (self.rng.random() < TWICE))]
        self.rng.shuffle(said)
        return said

    def send(self, record: Record) -> None:
        self._producer.produce(record.topic, record.value, record.key)
        self._producer.poll(0)
        self.sent[record.topic] += 1

    def flush(self) -> None:
        """Wait until the broker has everything."""
        assert self._producer.flush(60) == 0

    # What a friend does

    def _of(self, friend: Friend) -> Iterator[Said]:
        code = self.codes[friend.referrer]
        if friend.way == "over REST":
            yield Claim(code, friend.name, friend.claimed_at.isoformat())
        if friend.way in {"when registering", "with a card"}:
            said = {"customer_id": friend.name, "registered_at": friend.claimed_at.isoformat(), "referral_code": code}
            card = {} if friend.card_number is None else {"card_number": friend.card_number}
            yield self._event(CUSTOMERS, "customer.registered", friend, said | card)
        for place, sale in enumerate(friend.sales):
            named = code if friend.way == "in a purchase" and sale.days == 0 else None
            yield self._event(PURCHASES, "purchase.completed", friend, self._purchase(friend, place, sale, named))
            for number, amount in enumerate(sale.refunds):
                yield self._event(PURCHASES, "purchase.refunded", friend, self._refund(friend, place, number, amount))

    def _purchase(self, friend: Friend, place: int, sale: Sale, code: str | None) -> dict[str, Any]:
        card = friend.card_number
        who = {"customer_id": friend.name} if card is None else {"card_number": card}
        said = {"shop_id": "harbour", "invoice_number": friend.invoice(place), "currency": "EUR", "total": sale.total}
        return said | who | {"occurred_at": friend.at(sale).isoformat(), "referral_code": code}

    def _refund(self, friend: Friend, place: int, number: int, amount: str) -> dict[str, Any]:
        said = {"shop_id": "harbour", "invoice_number": friend.invoice(place), "refund_id": str(number)}
        return said | {"currency": "EUR", "amount": amount}

    def _event(self, topic: str, kind: str, friend: Friend, data: dict[str, Any]) -> Record:
        return record(self.rng, topic, kind, who=friend.name, at=friend.claimed_at, data=data)

    # What it brings

    def points(self) -> dict[str, int]:
        """Return everybody's points: for what they bought and kept, for having come, for those whom they brought."""
        points: Counter[str] = Counter(dict.fromkeys(self.codes, 0))
        brought: Counter[str] = Counter()
        for friend in self.friends:
            points[friend.name] += sum(int(sale.left) for sale in friend.sales)
            bought = qualifying(friend)
            if bought is None:
                continue
            points[friend.name] += friend.rules.friend
            if friend.at(bought) + dt.timedelta(days=friend.rules.hold_days) <= self.now:
                brought[friend.referrer] += 1
                points[friend.referrer] += friend.rules.referrer
        for referrer, count in brought.items():
            points[referrer] += sum(bonus for rung, bonus in RUNGS.items() if count >= rung)
        return dict(points)


def qualifying(friend: Friend) -> Sale | None:
    """Return the purchase that counts: the first that is big enough, where the friend claimed and had not bought before."""
    if friend.way == "not at all" or any(sale.days < 0 for sale in friend.sales):
        return None
    return next((sale for sale in friend.sales if sale.left >= MINIMUM), None)
