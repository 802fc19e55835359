"""Whether a claim is accepted, held for review or refused, and why (rule 24)."""

import datetime as dt
from typing import Literal, NamedTuple

from services.referrals.programme import Programme


class Person(NamedTuple):
    """What is known of a customer, merges resolved."""

    customer_id: str
    email_hash: bytes | None = None
    phone_hash: bytes | None = None
    cards: frozenset[str] = frozenset()


class Friend(NamedTuple):
    """Who claims: `is_referred` where a referral of theirs is live."""

    person: Person
    first_purchase_at: dt.datetime | None = None
    is_referred: bool = False


class Code(NamedTuple):
    """A code that is known: a partner's has no `referrer`; `referred_by` are those up the referrer's own chain."""

    referrer: Person | None
    referred_by: frozenset[str] = frozenset()
    is_retired: bool = False
    is_open: bool = True
    """Of a partner's: whether the partner's terms hold."""


class Counts(NamedTuple):
    """Earlier claims, this one not among them: from its address within the window, and on its referrer."""

    from_address: int = 0
    within_day: int = 0
    within_month: int = 0

    def plus(self, more: "Counts") -> "Counts":
        return Counts(*map(sum, zip(self, more, strict=True)))


class Verdict(NamedTuple):
    """What becomes of a claim; `reason` says why it is not simply accepted."""

    status: Literal["claimed", "review", "rejected"]
    reason: str | None = None


def judge(friend: Friend, code: Code | None, claimed_at: dt.datetime, counts: Counts, programme: Programme) -> Verdict:
    """Judge a claim by everything that is known; the first reason that fits is said."""
    refused = _of_code(code, claimed_at, programme) or _of_friend(friend, code, claimed_at)
    if refused is not None:
        return Verdict("rejected", refused)
    held = _held(code, counts, programme)
    return Verdict("claimed") if held is None else Verdict("review", held)


def _of_code(code: Code | None, claimed_at: dt.datetime, programme: Programme) -> str | None:
    if code is None:
        return "code-unknown"
    if code.is_retired:
        return "code-retired"
    is_open = code.is_open if code.referrer is None else programme.is_open(claimed_at)
    return None if is_open else "programme-closed"


def _of_friend(friend: Friend, code: Code | None, claimed_at: dt.datetime) -> str | None:
    referrer = None if code is None else code.referrer
    oneself = None if referrer is None else same_person(friend.person, referrer)
    if oneself is not None:
        return oneself
    if friend.is_referred:
        return "referred-already"
    if friend.first_purchase_at is not None and friend.first_purchase_at < claimed_at:
        return "bought-before"
    return "circle" if code is not None and friend.person.customer_id in code.referred_by else None


def review_until(received_at: dt.datetime, programme: Programme) -> dt.datetime:
    """Return until when staff have to decide about a claim."""
    return received_at + dt.timedelta(days=programme.review_days)


def same_person(one: Person, other: Person) -> str | None:
    """Return by what two customers are seen to be one; none where nothing says so."""
    if one.customer_id == other.customer_id:
        return "own-code"
    if one.email_hash is not None and one.email_hash == other.email_hash:
        return "same-email"
    if one.phone_hash is not None and one.phone_hash == other.phone_hash:
        return "same-phone"
    return "same-card" if one.cards & other.cards else None


def _held(code: Code | None, counts: Counts, programme: Programme) -> str | None:
    if _is_reached(programme.claims_per_address, counts.from_address):
        return "many-from-address"
    # a partner is there to bring many
    if code is None or code.referrer is None:
        return None
    day, month = programme.claims_per_referrer_and_day, programme.rewards_per_referrer_and_month
    return "velocity" if _is_reached(day, counts.within_day) or _is_reached(month, counts.within_month) else None


def _is_reached(most: int | None, count: int) -> bool:
    return most is not None and count >= most
