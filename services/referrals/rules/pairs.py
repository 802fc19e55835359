"""Offers for two: who may begin or join a pair now, and which purchases complete one (rule 26).

What completes a pair is judged from all that is known of both, so that the order of arrival never matters.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from services.referrals.offers import Kind, Offer
from services.referrals.rules.qualifying import Sale


class Obstacle(NamedTuple):
    """Why a pair can't begin now; `more` says in numbers and instants what is missing."""

    code: str
    detail: str
    more: Mapping[str, object] = {}


class State(NamedTuple):
    """An offer as it stands: so many pairs hold a place in its budget."""

    offer: Offer
    reserved: int
    is_retired: bool = False


def obstacles(state: State, tier: str | None, pairs: int, now: dt.datetime) -> list[Obstacle]:
    """Return all that keeps a customer of a tier, who is of so many pairs, from one more; the first is said first."""
    found = [*_retired(state), *_window(state.offer, tier, now), *budget_left(state), *limit_left(state.offer, pairs)]
    return list(found)


def _retired(state: State) -> Iterator[Obstacle]:
    if state.is_retired:
        yield Obstacle("offer-retired", "the offer was taken back")


def _window(offer: Offer, tier: str | None, now: dt.datetime) -> Iterator[Obstacle]:
    begins, until = offer.begins(tier), offer.valid_until
    if begins is not None and now < begins:
        early = offer.early_access
        others = f", for {' and '.join(early.tiers)} from {early.valid_from.isoformat()}" if early else ""
        more = {"valid_from": begins} | ({"early_tiers": early.tiers} if early else {})
        yield Obstacle("offer-not-yet", f"it begins {begins.isoformat()}{others}", more)
    if until is not None and until <= now:
        yield Obstacle("offer-over", f"it was valid until {until.isoformat()}", {"valid_until": until})


def budget_left(state: State) -> Iterator[Obstacle]:
    budget = state.offer.budget
    if budget is not None and state.reserved >= budget:
        yield Obstacle("offer-used-up", f"all {budget} pairs have begun", {"budget": budget})


def limit_left(offer: Offer, pairs: int) -> Iterator[Obstacle]:
    most = offer.per_customer
    if most is not None and pairs >= most:
        more = {"per_customer": most, "pairs": pairs}
        yield Obstacle("offer-limit-reached", f"a customer may have {most} pairs, this one has {pairs}", more)


def had_bought(first_purchase_at: dt.datetime | None, accepted_at: dt.datetime) -> bool:
    """Tell whether a friend is no new customer."""
    return first_purchase_at is not None and first_purchase_at < accepted_at


# What completes a pair


class Terms(NamedTuple):
    """What a pair has to do from its acceptance up to, not including, its end."""

    kind: Kind
    currency: str
    minimum: Decimal
    accepted_at: dt.datetime
    expires_at: dt.datetime


class Member(NamedTuple):
    """One of the two: every name they are known by, and what they bought."""

    names: frozenset[str]
    sales: list[Sale]


class Met(NamedTuple):
    """The purchases by which each met the condition; of a joint basket it is one."""

    referrer: Sale
    friend: Sale


def met(terms: Terms, referrer: Member, friend: Member) -> Met | None:
    """Return the first purchases that complete a pair; none while it is not complete."""
    if terms.kind == "joint_basket":
        basket = _first(terms, [*_naming(referrer, friend), *_naming(friend, referrer)])
        return None if basket is None else Met(basket, basket)
    one, other = _first(terms, referrer.sales), _first(terms, friend.sales)
    return None if one is None or other is None else Met(one, other)


def _naming(buyer: Member, companion: Member) -> Iterator[Sale]:
    return (sale for sale in buyer.sales if sale.companion_id in companion.names)


def _first(terms: Terms, sales: Iterable[Sale]) -> Sale | None:
    within = (sale for sale in sales if terms.accepted_at <= sale.occurred_at < terms.expires_at)
    reaching = (sale for sale in within if sale.reaches(terms.minimum, terms.currency))
    return min(reaching, key=lambda sale: sale[:3], default=None)
