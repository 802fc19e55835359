"""What is due for a referral: the friend's reward at once, the referrer's after the hold, bonuses for so many; each once."""

from typing import Literal

import orjson

from services.referrals.benefits import Benefit
from services.referrals.books import Books
from services.referrals.decisions.events import tell_friend, tell_referrer
from services.referrals.records import Referral, Reward, Side
from services.referrals.rules import rewards
from services.referrals.rules.rewards import Standing, Step

TELL = {"friend": tell_friend, "referrer": tell_referrer}


def begin(books: Books, referral: Referral) -> None:
    """Give the friend their reward, and let the referrer's wait."""
    programme = books.programme_of(referral)
    for due in rewards.at_qualifying(programme, has_referrer=referral.referrer_id is not None):
        reward = _new(books, referral, due.side, due.benefit)
        if due.status == "given":
            _give(books, referral, reward)


def finish(books: Books, referral: Referral) -> None:
    """Give the referrer what waited for the end of the hold, as far as the month's cap allows."""
    programme = books.programme_of(referral)
    for reward in _of_round(books, referral):
        if reward.status == "held":
            month = _referrer(books, referral), reward.month
            if rewards.after_hold(programme, books.given[month]) == "capped":
                _keep(books, reward, "capped")
            else:
                books.given[month] += 1
                _give(books, referral, reward)
    if referral.referrer_id is not None:
        books.rewarded[_referrer(books, referral)] += 1
        _climb(books, referral)


def take_back(books: Books, referral: Referral, reason: str, *, was_rewarded: bool) -> None:
    """Take back what a purchase had brought that does not count any more."""
    told: set[str] = set()
    for reward in _of_round(books, referral):
        before = reward.status
        _keep(books, reward, rewards.taken_back(before))
        if before == "given":
            told.add(reward.side)
            _tell_reversed(books, referral, reward, reason)
    for side in ("friend", "referrer"):
        if side not in told:
            TELL[side](books, referral, "referral.reversed", reward_id=None, reason=reason)
    if was_rewarded and referral.referrer_id is not None:
        books.rewarded[_referrer(books, referral)] -= 1
        _climb(books, referral)


def _of_round(books: Books, referral: Referral) -> list[Reward]:
    rows = books.rewards[referral.referral_id].values()
    return [each for each in rows if each.round == referral.round and each.rung is None]


def _referrer(books: Books, referral: Referral) -> str:
    return books.customer(referral.referrer_id or "").customer_id


# The ladder of a referrer


def _climb(books: Books, referral: Referral) -> None:
    """Give and take back the bonuses for so many referrals that are rewarded now."""
    referrer = _referrer(books, referral)
    standing: dict[int, Standing] = {}
    for reward in books.ladder[referrer].values():
        rung = reward.rung or 0
        last = standing.get(rung, Standing(rung, 0, is_given=False))
        standing[rung] = Standing(
            rung, max(last.round, reward.round), is_given=last.is_given or reward.status == "given"
        )
    for step in rewards.steps(books.programme_of(referral).ladder, books.rewarded[referrer], standing):
        _take(books, referral, referrer, step)


def _take(books: Books, referral: Referral, referrer: str, step: Step) -> None:
    reward_id = f"{referral.referral_id}/rung-{step.rung}/{step.round}"
    if step.benefit is None:
        _take_rung_back(books, referral, referrer, step)
        return
    reward = Reward(
        reward_id,
        referrer,
        referral.referral_id,
        "referrer",
        step.round,
        "given",
        _written(step.benefit),
        books.programme_of(referral).month(books.now),
        books.now,
        step.rung,
    )
    books.ladder[referrer][reward_id] = reward
    _give(books, referral, reward)


def _take_rung_back(books: Books, referral: Referral, referrer: str, step: Step) -> None:
    """Take a rung back; two who were merged may each have been given it."""
    for reward in books.ladder[referrer].values():
        if reward.rung == step.rung and reward.status == "given":
            _keep(books, reward, "reversed")
            _tell_reversed(books, referral, reward, "fewer-referrals")


# A reward


def _new(books: Books, referral: Referral, side: Side, benefit: Benefit) -> Reward:
    owner = referral.friend_id if side == "friend" else referral.referrer_id or ""
    reward = Reward(
        f"{referral.referral_id}/{side}/{referral.round}",
        books.customer(owner).customer_id,
        referral.referral_id,
        side,
        referral.round,
        "held",
        _written(benefit),
        books.programme_of(referral).month(referral.qualified_at or books.now),
        books.now,
    )
    books.rewards[referral.referral_id][reward.reward_id] = reward
    _keep(books, reward, "held")
    return reward


def _written(benefit: Benefit) -> str:
    return benefit.model_dump_json(exclude_none=True)


def _give(books: Books, referral: Referral, reward: Reward) -> None:
    _keep(books, reward, "given")
    rung = {} if reward.rung is None else {"rung": reward.rung}
    said = {"reward_id": reward.reward_id, "reward": orjson.Fragment(reward.benefit), **rung}
    TELL[reward.side](books, referral, "referral.rewarded", **said)


def _tell_reversed(books: Books, referral: Referral, reward: Reward, reason: str) -> None:
    kind = orjson.loads(reward.benefit)["kind"]
    said = {"reward_id": reward.reward_id, "reward_kind": kind, "reason": reason}
    TELL[reward.side](books, referral, "referral.reversed", **said)


def _keep(books: Books, reward: Reward, status: Literal["held", "given", "cancelled", "reversed", "capped"]) -> None:
    reward.status, reward.decided_at = status, books.now
    books.changes.rewards[reward.reward_id] = reward
