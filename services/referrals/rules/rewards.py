"""What a referral gives to whom and when: at once, after the hold, for so many, and what is taken back (rule 25)."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from services.referrals.benefits import Benefit
from services.referrals.programme import Programme, Rung
from services.referrals.rules.qualifying import Sale

Status = Literal["held", "given", "cancelled", "reversed", "capped"]
Side = Literal["referrer", "friend"]

TAKEN_BACK: Mapping[Status, Status] = {"held": "cancelled", "given": "reversed"}


class Due(NamedTuple):
    """A side's reward as it begins."""

    side: Side
    status: Status
    benefit: Benefit


class Standing(NamedTuple):
    """A rung as it was given last, by its count: `round` tells how often it was."""

    rung: int
    round: int
    is_given: bool


class Step(NamedTuple):
    """A rung that is to be given or taken back; `benefit` is none where it is taken back."""

    rung: int
    round: int
    status: Literal["given", "reversed"]
    benefit: Benefit | None


def at_qualifying(programme: Programme, *, has_referrer: bool) -> list[Due]:
    """Return what is due on the purchase that qualifies: the friend's at once, the referrer's held."""
    due = []
    if programme.friend is not None:
        due.append(Due("friend", "given", programme.friend))
    if programme.referrer is not None and has_referrer:
        due.append(Due("referrer", "held", programme.referrer))
    return due


def hold_until(sale: Sale, programme: Programme) -> dt.datetime:
    """Return when the hold of a purchase is over."""
    return sale.occurred_at + dt.timedelta(days=programme.hold_days)


def after_hold(programme: Programme, rewards_in_month: int) -> Status:
    """Return what becomes of a held reward; those taken back count in the month too, or a refund would make room."""
    most = programme.rewards_per_referrer_and_month
    return "given" if most is None or rewards_in_month < most else "capped"


def taken_back(status: Status) -> Status:
    """Return what a reward becomes when its purchase no longer qualifies; what was never given stays as it is."""
    return TAKEN_BACK.get(status, status)


def steps(ladder: list[Rung], count: int, standing: Mapping[int, Standing]) -> Iterator[Step]:
    """Return what changes on the ladder of a referrer of whose referrals `count` are rewarded now.

    A rung that the programme has no more stays given while its count is reached.
    """
    for last in standing.values():
        if last.is_given and count < last.rung:
            yield Step(last.rung, last.round, "reversed", None)
    for each in ladder:
        before = standing.get(each.count, Standing(each.count, 0, is_given=False))
        if each.count <= count and not before.is_given:
            yield Step(each.count, before.round + 1, "given", each.benefit)
