"""Whether a customer may have a reward, and what stands in the way."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from services.points.catalogue import Reward


class Claimant(NamedTuple):
    """What counts of a customer: `claims` are those of this very reward that were not cancelled."""

    status: str
    tier: str | None
    available: int
    held: int
    claims: int


class Obstacle(NamedTuple):
    """Why a reward can't be had now; `more` says in numbers and instants what is missing."""

    code: str
    detail: str
    more: Mapping[str, object] = {}


def obstacles(reward: Reward, claimed: int, claimant: Claimant, now: dt.datetime) -> list[Obstacle]:
    """Return all that stands between a customer and a reward of which so many were claimed; the first is said first."""
    return [
        *_account(claimant),
        *_window(reward, claimant, now),
        *_stock(reward, claimed),
        *_limit(reward, claimant),
        *_price(reward, claimant),
    ]


def _account(claimant: Claimant) -> Iterator[Obstacle]:
    if claimant.status != "active":
        yield Obstacle(f"account-{claimant.status}", f"the account is {claimant.status}")


def _window(reward: Reward, claimant: Claimant, now: dt.datetime) -> Iterator[Obstacle]:
    begins, until = reward.begins(claimant.tier), reward.valid_until
    if begins is not None and now < begins:
        early = reward.early_access
        others = f", for {' and '.join(early.tiers)} from {early.valid_from.isoformat()}" if early else ""
        more = {"valid_from": begins} | ({"early_tiers": early.tiers} if early else {})
        yield Obstacle("reward-not-yet", f"it can be claimed from {begins.isoformat()}{others}", more)
    if until is not None and until <= now:
        yield Obstacle("reward-over", f"it could be claimed until {until.isoformat()}", {"valid_until": until})


def _stock(reward: Reward, claimed: int) -> Iterator[Obstacle]:
    if reward.stock is not None and claimed >= reward.stock:
        yield Obstacle("reward-sold-out", f"all {reward.stock} were claimed", {"stock": reward.stock})


def _limit(reward: Reward, claimant: Claimant) -> Iterator[Obstacle]:
    most = reward.per_customer
    if most is not None and claimant.claims >= most:
        more = {"per_customer": most, "claims": claimant.claims}
        yield Obstacle("reward-limit-reached", f"a customer may have {most}, this one has {claimant.claims}", more)


def _price(reward: Reward, claimant: Claimant) -> Iterator[Obstacle]:
    price, available = reward.price(claimant.tier), claimant.available
    if available < price:
        more = {"points": price, "available": available, "held": claimant.held, "missing_points": price - available}
        detail = f"it costs {price} points, {available} available, {claimant.held} held"
        yield Obstacle("insufficient-points", detail, more)
