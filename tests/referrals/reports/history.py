"""A history of recommendations over the customers of real invoices, drawn at random, always the same.

A fifth of the customers came by a code of one who was there before, or of a partner; most of them some days before their
first invoice. Statuses and rewards fit each other, but nothing decided them: reports are tested apart from the writer.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import NamedTuple

from shared import codes

POINTS, COUPON = '{"kind": "points", "points": 500}', '{"kind": "coupon", "coupon": {"value": {"kind": "shipping"}}}'
FRIEND_POINTS, RUNG = '{"kind": "points", "points": 200}', '{"kind": "points", "points": 1000}'

STATUSES = {"rewarded": 50, "qualified": 10, "claimed": 20, "review": 5, "rejected": 15}
REFERRER = {"rewarded": "given", "qualified": "held", "claimed": "reversed", "rejected": "cancelled"}

PARTNER = "blog"


class Claim(NamedTuple):
    """A referral; `known_as` is the friend as whom it was claimed, before a merge."""

    referral_id: str
    code: str
    friend: str
    known_as: str
    referrer: str | None
    partner: str | None
    claimed_at: dt.datetime
    status: str
    invoice: str | None = None
    shop: str | None = None
    round: int = 0


class Reward(NamedTuple):
    """What was due for a referral."""

    reward_id: str
    customer: str
    referral_id: str
    side: str
    status: str
    benefit: str
    rung: int | None


class Earned(NamedTuple):
    """A partner's commission on the first invoice of a friend."""

    referral_id: str
    partner: str
    shop: str
    invoice: str
    claimed_at: dt.datetime
    currency: str
    status: str
    amount: Decimal


class History:
    """Codes, claims, rewards and shares of customers, who are given in the order of their first invoices."""

    def __init__(self, customers: Sequence[tuple[str, dt.datetime, str, str]]) -> None:
        self.claims: list[Claim] = []
        self.rewards: list[Reward] = []
        self.commissions: list[Earned] = []
        self.shares: list[tuple[str, str, dt.date, int]] = []
        self.merged: dict[str, str] = {}
        self._rng = Random(26)
        for place, (customer, first_at, invoice, shop) in enumerate(customers):
            if place and self._rng.random() < 0.2:
                # few are friends of many, and many of nobody
                referrer = customers[int(place * self._rng.random() ** 3)][0]
                self._came(customer, first_at, invoice, shop, referrer)

    def _came(self, friend: str, first_at: dt.datetime, invoice: str, shop: str, referrer: str) -> None:
        rng = self._rng
        owner, partner = (None, PARTNER) if rng.random() < 0.1 else (referrer, None)
        known_as = f"was-{friend}" if rng.random() < 0.05 else friend
        if known_as != friend:
            self.merged[known_as] = friend
        claimed_at = first_at - dt.timedelta(hours=rng.randrange(600))
        claim = Claim("", self._code(partner or referrer), friend, known_as, owner, partner, claimed_at, "rejected")
        if rng.random() < 0.1:
            self._keep(claim._replace(claimed_at=claimed_at - dt.timedelta(days=rng.randrange(40))))
        (status,) = rng.choices([*STATUSES], [*STATUSES.values()])
        once = status in {"claimed", "rejected"} and rng.random() < 0.3
        if once or status in {"qualified", "rewarded"}:
            claim = claim._replace(invoice=invoice, shop=shop, round=1)
        self._keep(claim._replace(status=status))
        if rng.random() < 0.7:
            self.shares.append((claim.code, rng.choice(("mail", "chat")), claimed_at.date(), rng.randrange(1, 9)))

    def _code(self, owner: str) -> str:
        drawn = Random(owner)
        return codes.code("".join(drawn.choice(codes.ALPHABET) for _ in range(7)))

    def _keep(self, claim: Claim) -> None:
        numbered = claim._replace(referral_id=f"claim-{len(self.claims)}")
        self.claims.append(numbered)
        if numbered.round:
            self.rewards.extend(self._due(numbered))

    def _due(self, claim: Claim) -> Iterator[Reward]:
        name, counts = claim.referral_id, claim.status in {"qualified", "rewarded"}
        status = "given" if counts else "reversed"
        yield Reward(f"{name}/friend/1", claim.known_as, name, "friend", status, FRIEND_POINTS, None)
        if claim.referrer is None:
            self._earn(claim)
            return
        benefit = COUPON if self._rng.random() < 0.25 else POINTS
        is_capped = claim.status == "rewarded" and self._rng.random() < 0.1
        status = "capped" if is_capped else REFERRER[claim.status]
        yield Reward(f"{name}/referrer/1", claim.referrer, name, "referrer", status, benefit, None)
        if claim.status == "rewarded" and self._rng.random() < 0.1:
            yield Reward(f"{name}/rung-5/1", claim.referrer, name, "referrer", "given", RUNG, 5)

    def _earn(self, claim: Claim) -> None:
        assert claim.partner
        assert claim.shop
        assert claim.invoice
        (status,) = self._rng.choices(("due", "held", "reversed"), (6, 2, 1))
        amount = Decimal(0 if status == "reversed" else self._rng.randrange(100, 2000)) / 100
        currency = "GBP" if self._rng.random() < 0.7 else "EUR"
        place = (claim.partner, claim.shop, claim.invoice)
        self.commissions.append(Earned(claim.referral_id, *place, claim.claimed_at, currency, status, amount))
