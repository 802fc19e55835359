"""Couples who take an offer for two up: what they buy in every way there is, and what it should bring both of them."""

import datetime as dt
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from services.referrals.commands import AcceptPair, Command, InvitePair, KeepOffer
from services.referrals.offers import Kind, Offer
from services.referrals.rules import codes
from tests.journeys.friends import COUPON, MINIMUM, PURCHASES, TWICE, Record, record

DAYS, POINTS = 10, 150
BENEFITS = {"points": {"kind": "points", "points": POINTS}, "coupons": COUPON}
ERAS = {"time is over": 20, "time is left": 3}
"""How many days ago an offer was taken up."""


class Basket(NamedTuple):
    """What one of the two bought, whether it names the other, and the amounts of it that are taken back."""

    buyer: int
    total: str
    together: bool = False
    refunds: tuple[str, ...] = ()

    @property
    def left(self) -> Decimal:
        return Decimal(self.total) - sum(map(Decimal, self.refunds))


HISTORIES: dict[Kind, dict[str, tuple[Basket, ...]]] = {
    "joint_basket": {
        "together": (Basket(0, "60.00", together=True),),
        "the friend pays": (Basket(1, "49.95", together=True),),
        "each alone": (Basket(0, "60.00"), Basket(1, "60.00")),
        "together, and back": (Basket(0, "60.00", together=True, refunds=("33.33", "26.67")),),
    },
    "each_buys": {
        "both": (Basket(0, "30.00"), Basket(1, "49.95")),
        "one alone": (Basket(0, "30.00"),),
        "one gives it back": (Basket(0, "30.00"), Basket(1, "60.00", refunds=("33.33", "26.67"))),
        "one buys again": (Basket(0, "30.00"), Basket(1, "60.00", refunds=("60.00",)), Basket(1, "25.00")),
    },
}


@dataclass(frozen=True, slots=True)
class Couple:
    """An existing customer and a friend; the names of both tell what they do."""

    pair_id: str
    what: str
    kind: Kind
    benefit: str
    era: str
    accepted_at: dt.datetime
    baskets: tuple[Basket, ...]

    @property
    def both(self) -> tuple[str, str]:
        return f"{self.pair_id} one: {self.what}", f"{self.pair_id} other: {self.what}"

    @property
    def is_complete(self) -> bool:
        """Whether enough is left of what both did together, or each."""
        counting = [each for each in self.baskets if each.left >= MINIMUM]
        if self.kind == "joint_basket":
            return any(each.together for each in counting)
        return {each.buyer for each in counting} == {0, 1}

    @property
    def status(self) -> str:
        if self.is_complete:
            return "completed"
        return "expired" if self.era == "time is over" else "accepted"


class Couples:
    """All that couples can do, once each."""

    def __init__(self, rng: random.Random, now: dt.datetime) -> None:
        self._rng = rng
        self.couples = [
            Couple(
                f"pair-{number}",
                f"{kind}, {benefit}, {era}, {history}",
                kind,
                benefit,
                era,
                now - dt.timedelta(days=ERAS[era]),
                HISTORIES[kind][history],
            )
            for number, (kind, history, benefit, era) in enumerate(
                (kind, *rest) for kind in HISTORIES for rest in itertools.product(HISTORIES[kind], BENEFITS, ERAS)
            )
        ]

    def taking_up(self, era: str) -> list[Command]:
        """Return what makes the offers and the pairs of an era, all at the time of their acceptance."""
        commands: list[Command] = [
            KeepOffer(f"{kind}-{benefit}-{ERAS[era]}", _offer(kind, benefit), is_new=True)
            for kind in HISTORIES
            for benefit in BENEFITS
        ]
        for each in self.couples:
            if each.era == era:
                offer, (one, other) = f"{each.kind}-{each.benefit}-{ERAS[era]}", each.both
                commands.append(InvitePair(each.pair_id, offer, one, None, codes.generate(), each.accepted_at))
                commands.append(AcceptPair(each.pair_id, other, each.accepted_at))
        return commands

    def buy(self) -> list[Record]:
        """Return all that they buy and give back, some of it twice."""
        said = [each for couple in self.couples for each in self._of(couple)]
        return [each for each in said for _ in range(1 + (self._rng.random() < TWICE))]

    def _of(self, couple: Couple) -> Iterator[Record]:
        for place, basket in enumerate(couple.baskets):
            buyer, other = couple.both[basket.buyer], couple.both[1 - basket.buyer]
            at = couple.accepted_at + dt.timedelta(hours=1 + place)
            where = {"shop_id": "harbour", "invoice_number": f"{couple.pair_id}/{place}", "currency": "EUR"}
            who = {"customer_id": buyer} | ({"companion_id": other} if basket.together else {})
            said = where | who | {"total": basket.total, "occurred_at": at.isoformat()}
            yield self._record("purchase.completed", buyer, at, said)
            for number, amount in enumerate(basket.refunds):
                said = where | {"refund_id": str(number), "amount": amount}
                yield self._record("purchase.refunded", buyer, at, said)

    def _record(self, kind: str, buyer: str, at: dt.datetime, said: dict[str, Any]) -> Record:
        return record(self._rng, PURCHASES, kind, who=buyer, at=at, data=said)

    # What it brings

    def points(self) -> dict[str, int]:
        """Return everybody's points: for what they bought and kept, and for what both did."""
        points: Counter[str] = Counter()
        for couple in self.couples:
            gift = POINTS if couple.benefit == "points" and couple.is_complete else 0
            points.update(dict.fromkeys(couple.both, gift))
            for basket in couple.baskets:
                points[couple.both[basket.buyer]] += int(basket.left)
        return dict(points)

    def coupons(self) -> dict[str, int]:
        """Return how many coupons each has who has any."""
        having = [each for each in self.couples if each.benefit == "coupons" and each.is_complete]
        return {name: 1 for each in having for name in each.both}


def _offer(kind: Kind, benefit: str) -> Offer:
    document = {"texts": {"en": {"title": "For two"}}, "default_language": "en", "kind": kind, "days": DAYS}
    return Offer.model_validate(document | {"benefit": BENEFITS[benefit], "minimum": str(MINIMUM)})
