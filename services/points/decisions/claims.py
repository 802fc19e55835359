"""Rewards that customers claim: paid at once, fulfilled or taken back once, whoever hears of it first."""

import datetime as dt
from dataclasses import replace
from typing import Any, Literal

from services.points.books import Books
from services.points.catalogue import PartnerTransfer, Reward
from services.points.commands import CancelClaim, ClaimReward, EndCoupon, FulfilClaim, Outcome, refused
from services.points.decisions.catalogue import retired, unknown
from services.points.decisions.events import balance_of, emit, hear, is_heard
from services.points.decisions.holds import restore, spend_at_once
from services.points.decisions.transfers import gather, within_reach
from services.points.records import Account, Listing, Redemption, RewardClaim
from services.points.rules import dates
from services.points.rules.claiming import Claimant, obstacles
from shared import codes


def claim_reward(books: Books, command: ClaimReward) -> Outcome:
    listing, account = books.rewards.get(command.reward_id), books.accounts.get(command.customer_id)
    if account is None:
        return refused("account-unknown", f"customer {command.customer_id} has no account", "/customer_id")
    if listing is None:
        return unknown(command.reward_id)
    refusal = _refusal(books, command, listing, account)
    if refusal is not None:
        return refusal
    claim = _new_claim(books, command, listing, account)
    redemption = Redemption(
        command.redemption_id,
        account.customer_id,
        claim.points,
        0,
        "captured",
        command.occurred_at,
        claim_id=claim.claim_id,
    )
    gather(books, account, claim.points)
    spend_at_once(books, account, redemption, claim.points)
    _count(books, listing, account, 1)
    _keep(books, claim)
    details = {"value": _value(listing.reward), "valid_until": claim.valid_until, "titles": _titles(listing.reward)}
    _say(books, account, claim, "claimed", code=claim.code, redemption_id=claim.redemption_id, **details)
    return _answer(account, claim)


def _refusal(books: Books, command: ClaimReward, listing: Listing, account: Account) -> Outcome | None:
    if listing.retired_at is not None:
        return retired(listing)
    is_partners = isinstance(listing.reward.value, PartnerTransfer)
    if is_partners and command.member_number is None:
        return refused("member-number-missing", "the partner needs to know whose account it is", "/member_number")
    if not is_partners and command.member_number is not None:
        return refused("member-number-unexpected", "this reward goes to no partner", "/member_number")
    claims = books.live_claims.get(account.customer_id, {}).get(listing.reward_id, 0)
    claimant = Claimant(account.status, _tier(books, account), within_reach(books, account), account.held, claims)
    found = obstacles(listing.reward, listing.claimed, claimant, books.now)
    return Outcome("refused", found[0].code, found[0].detail, more=found[0].more) if found else None


def _tier(books: Books, account: Account) -> str | None:
    tier = books.programme.tier(account.tier)
    return None if tier is None else tier.name


def _new_claim(books: Books, command: ClaimReward, listing: Listing, account: Account) -> RewardClaim:
    reward = listing.reward
    points = reward.price(_tier(books, account))
    claim = RewardClaim(
        command.claim_id,
        account.customer_id,
        listing.reward_id,
        command.redemption_id,
        reward.value.kind,
        points,
        "claimed",
        command.occurred_at,
        member_number=command.member_number,
    )
    if reward.is_coupon:
        claim.code = codes.code(command.symbols, reward.code_prefix)
        claim.valid_until = _good_until(books, reward)
    if isinstance(reward.value, PartnerTransfer):
        claim.units = int(reward.value.units(points))
    return claim


def _good_until(books: Books, reward: Reward) -> dt.datetime | None:
    if reward.coupon_days is None:
        return None
    return dates.end_of(books.today + dt.timedelta(days=reward.coupon_days), books.programme.zone)


def _value(reward: Reward) -> dict[str, Any]:
    return reward.value.model_dump(mode="json")


def _titles(reward: Reward) -> dict[str, str]:
    return {language: text.title for language, text in reward.texts.items()}


# How a claim ends


def cancel_claim(books: Books, command: CancelClaim) -> Outcome:
    """Take a claim back: at once where nobody else could use it, else once its coupon is known to be void."""
    claim = books.claims.get(command.claim_id)
    if claim is None:
        return _unknown_claim(command.claim_id)
    account = books.accounts[claim.customer_id]
    if claim.status in {"cancelling", "cancelled"}:
        return _answer(account, claim, is_new=False)
    if claim.status == "fulfilled":
        return _ended(claim)
    claim.reason = command.reason
    if claim.code is None:
        _give_back(books, account, claim)
    else:
        claim.status = "cancelling"
        _keep(books, claim)
        _say(books, account, claim, "cancelling", code=claim.code, reason=claim.reason)
    return _answer(account, claim)


def fulfil_claim(books: Books, command: FulfilClaim) -> Outcome:
    claim = books.claims.get(command.claim_id)
    if claim is None:
        return _unknown_claim(command.claim_id)
    if claim.code is not None:
        return refused("claim-has-coupon", "it is fulfilled when a till takes its code")
    account = books.accounts[claim.customer_id]
    if claim.status == "fulfilled":
        return _answer(account, claim, is_new=False)
    if claim.status == "cancelled":
        return _ended(claim)
    claim.reason = command.reason
    _fulfil(books, account, claim)
    return _answer(account, claim)


def end_coupon(books: Books, command: EndCoupon) -> Outcome:
    """Hear how a coupon ended; what is said first stays, and what contradicts it is refused for people to look at."""
    claim = books.coupons.get(command.code)
    if claim is None:
        return Outcome("ignored")
    if is_heard(books, command.origin):
        return Outcome("repeated")
    ending = "fulfilled" if command.became == "redeemed" else "cancelled"
    if claim.status in {"fulfilled", "cancelled"} and claim.status != ending:
        return _ended(claim)
    hear(books, command.origin)
    account = books.accounts[claim.customer_id]
    if claim.status == ending:
        return _answer(account, claim, is_new=False)
    if ending == "fulfilled":
        _fulfil(books, account, claim)
    else:
        _give_back(books, account, claim)
    return _answer(account, claim)


def _give_back(books: Books, account: Account, claim: RewardClaim) -> None:
    """Let points, stock and the customer's limit be as if nothing had been claimed."""
    redemption = books.redemptions[claim.redemption_id]
    restore(books, account, redemption, claim.points, claim.redemption_id)
    _count(books, books.rewards[claim.reward_id], account, -1)
    _end(books, claim, "cancelled")
    _say(books, account, claim, "cancelled", code=claim.code, redemption_id=claim.redemption_id, reason=claim.reason)


def _fulfil(books: Books, account: Account, claim: RewardClaim) -> None:
    _end(books, claim, "fulfilled")
    _say(books, account, claim, "fulfilled", code=claim.code)


def _end(books: Books, claim: RewardClaim, status: Literal["cancelled", "fulfilled"]) -> None:
    claim.status, claim.ended_at = status, books.now
    _keep(books, claim)


def _count(books: Books, listing: Listing, account: Account, more: int) -> None:
    listing.claimed += more
    books.changes.changed_rewards[listing.reward_id] = listing
    claims = books.live_claims.setdefault(account.customer_id, {})
    claims[listing.reward_id] = claims.get(listing.reward_id, 0) + more


def _keep(books: Books, claim: RewardClaim) -> None:
    books.claims[claim.claim_id] = books.changes.claims[claim.claim_id] = claim
    if claim.code is not None:
        books.coupons[claim.code] = claim


def _say(books: Books, account: Account, claim: RewardClaim, happened: str, **details: object) -> None:
    data = {
        "customer_id": account.customer_id,
        "claim_id": claim.claim_id,
        "reward_id": claim.reward_id,
        "kind": claim.kind,
        "points": claim.points,
        "balance": balance_of(account),
        "occurred_at": books.now,
        **details,
    }
    emit(books, account, f"loyalty.reward.{happened}.v1", data)


def _unknown_claim(claim_id: str) -> Outcome:
    return refused("claim-unknown", f"there is no claim {claim_id} of a reward")


def _ended(claim: RewardClaim) -> Outcome:
    return refused(f"claim-{claim.status}", f"claim {claim.claim_id} is {claim.status}")


def _answer(account: Account, claim: RewardClaim, *, is_new: bool = True) -> Outcome:
    # as it is now, whatever the same batch makes of it
    known = replace(claim)
    return Outcome("booked" if is_new else "repeated", account=account, balance=account.balance, claim=known)
