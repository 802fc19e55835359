"""The life of a pair: invited, accepted, completed by what both did, or over with nothing for either (rule 26)."""

import datetime as dt
from typing import Any, Literal

import orjson

from services.referrals.books import Books
from services.referrals.commands import AcceptPair, CancelPair, InvitePair, Outcome, SettlePair, refused
from services.referrals.decisions import offers
from services.referrals.decisions.events import emit
from services.referrals.records import Customer, Listing, Pair, PairReward, Side
from services.referrals.rules import pairs
from services.referrals.rules.claims import Person, same_person
from services.referrals.rules.pairs import Member, Met, Obstacle, State, Terms

SIDES: tuple[Side, Side] = ("referrer", "friend")
PURCHASES = ("referrer_shop_id", "referrer_invoice_number", "friend_shop_id", "friend_invoice_number")


def invite_pair(books: Books, command: InvitePair) -> Outcome:
    listing = books.offers.get(command.offer_id)
    if listing is None:
        return offers.unknown(command.offer_id)
    inviter = books.customer(command.customer_id)
    friend = None if command.friend_id is None else books.customer(command.friend_id)
    count = books.pair_counts[inviter.customer_id, listing.offer_id]
    found = pairs.obstacles(_state(listing), inviter.tier, count, books.now)
    if found:
        return _refused(found[0])
    pair = _begin(listing, command, inviter, friend)
    unfit = None if friend is None else _unfit(books, pair, friend, command.invited_at)
    if unfit is not None:
        return unfit
    keep(books, pair)
    _tell_both(books, pair, "pair.invited", code=pair.code, reward=orjson.Fragment(pair.benefit))
    return _answer(pair)


def _begin(listing: Listing, command: InvitePair, inviter: Customer, friend: Customer | None) -> Pair:
    offer = listing.offer
    return Pair(
        command.pair_id,
        listing.offer_id,
        command.drawn,
        inviter.customer_id,
        None if friend is None else friend.customer_id,
        offer.kind,
        offer.currency,
        offer.minimum,
        offer.days,
        offer.new_friends_only,
        offer.benefit.model_dump_json(exclude_none=True),
        offer.link_of(command.drawn),
        "invited",
        command.invited_at,
        command.invited_at + dt.timedelta(days=offer.invitation_days),
    )


def accept_pair(books: Books, command: AcceptPair) -> Outcome:
    pair = books.pairs.get(command.pair_id)
    if pair is None:
        return _unknown(command.pair_id)
    friend = books.customer(command.friend_id)
    is_theirs = pair.friend_id is not None and books.customer(pair.friend_id) is friend
    if pair.accepted_at is not None and is_theirs:
        return Outcome("repeated", pair=pair)
    if pair.friend_id is not None and not is_theirs:
        return refused("pair-taken", "it is another friend's")
    refusal = _ended(pair) or _unfit(books, pair, friend, command.accepted_at) or _obstacle(books, pair, friend)
    if refusal is not None:
        return refusal
    accepted_at = command.accepted_at
    until = accepted_at + dt.timedelta(days=pair.days)
    pair = pair._replace(friend_id=friend.customer_id, accepted_at=accepted_at, expires_at=until, status="accepted")
    keep(books, pair)
    _tell_both(books, pair, "pair.accepted")
    settle(books, pair)
    return _answer(books.pairs[pair.pair_id])


def _obstacle(books: Books, pair: Pair, friend: Customer) -> Outcome | None:
    # new customers have no tier: their friend's opens the offer for both
    tier = books.customer(pair.referrer_id).tier
    count = books.pair_counts[friend.customer_id, pair.offer_id]
    found = pairs.obstacles(_state(books.offers[pair.offer_id]), tier, count, books.now)
    return _refused(found[0]) if found else None


def _unfit(books: Books, pair: Pair, friend: Customer, at: dt.datetime) -> Outcome | None:
    if same_person(_person(books, books.customer(pair.referrer_id)), _person(books, friend)) is not None:
        return refused("friend-is-oneself", "both are the same customer", "/friend_id")
    if pair.new_friends_only and pairs.had_bought(friend.first_purchase_at, at):
        return refused("friend-not-new", "the offer is for friends who have not bought yet", "/friend_id")
    return None


def cancel_pair(books: Books, command: CancelPair) -> Outcome:
    pair = books.pairs.get(command.pair_id)
    if pair is None:
        return _unknown(command.pair_id)
    if pair.status == "cancelled":
        return Outcome("repeated", pair=pair)
    refusal = None if pair.status == "accepted" else _ended(pair)
    if refusal is not None:
        return refusal
    end(books, pair, "cancelled", command.reason)
    return _answer(books.pairs[pair.pair_id])


def settle_pair(books: Books, command: SettlePair) -> Outcome:
    """Answer with the pair: what was due on it is booked already, as on every one of the batch."""
    return Outcome("ignored", pair=books.pairs.get(command.pair_id))


# What all that is known says of a pair


def settle_pairs_of(books: Books, customer: Customer) -> None:
    """Bring the pairs of a customer to what all that is known says."""
    for pair_id in sorted(books.pairs_of.get(customer.customer_id, ())):
        settle(books, books.pairs[pair_id])


def settle(books: Books, pair: Pair) -> None:
    """Bring a pair to what both did and the time say together."""
    if pair.accepted_at is not None and pair.status != "cancelled":
        _judge(books, pair)
    pair = books.pairs[pair.pair_id]
    if pair.is_open and pair.expires_at <= books.now:
        end(books, pair, "expired", "time-over")


def _judge(books: Books, pair: Pair) -> None:
    void = _void(books, pair)
    if void is not None:
        if pair.is_reserved:
            end(books, pair, "cancelled", void)
        return
    found = pairs.met(_terms(pair), *(_member(books, _one(books, pair, side)) for side in SIDES))
    if found is not None:
        _complete(books, pair, found)
    elif pair.status == "completed":
        _take_back(books, pair, "refunded")


def _void(books: Books, pair: Pair) -> str | None:
    """Return why a pair can't count whatever is bought, as it came to be known since it was accepted."""
    friend, accepted_at = books.customer(pair.friend_id or ""), pair.accepted_at or books.now
    if books.customer(pair.referrer_id) is friend:
        return "friend-is-oneself"
    is_late = pair.new_friends_only and pairs.had_bought(friend.first_purchase_at, accepted_at)
    return "friend-not-new" if is_late else None


def _complete(books: Books, pair: Pair, found: Met) -> None:
    places: dict[str, Any] = dict(zip(PURCHASES, [*found.referrer[1:3], *found.friend[1:3]], strict=True))
    done = pair._replace(status="completed", reason=None, **places)
    if pair.status == "completed":
        # an earlier purchase that arrived late takes the place of another: nobody gets anything for that
        keep(books, done)
    # what was bought in time, but is heard of only after the end, needs a place anew
    elif pair.status == "accepted" or _has_room(books, pair):
        done = keep(books, done._replace(round=pair.round + 1, completed_at=books.now))
        for side in SIDES:
            _give(books, done, side)


def _has_room(books: Books, pair: Pair) -> bool:
    state = _state(books.offers[pair.offer_id])
    counts = [books.pair_counts[_one(books, pair, side).customer_id, pair.offer_id] for side in SIDES]
    return not [*pairs.budget_left(state), *(each for count in counts for each in pairs.limit_left(state.offer, count))]


def end(books: Books, pair: Pair, status: Literal["expired", "cancelled"], reason: str) -> None:
    """End a pair with nothing for either; what they got is taken back."""
    if pair.status == "completed":
        pair = _take_back(books, pair, reason)
    ended = keep(books, pair._replace(status=status, reason=reason))
    _tell_both(books, ended, "pair.expired", reason=reason)


def _take_back(books: Books, pair: Pair, reason: str) -> Pair:
    places: dict[str, Any] = dict.fromkeys(PURCHASES)
    taken = keep(books, pair._replace(status="accepted", completed_at=None, **places))
    for side in SIDES:
        reward = books.pair_rewards[pair.pair_id][_reward_id(pair, side)]
        _note(books, reward, "reversed")
        said = {"reward_id": reward.reward_id, "reward_kind": orjson.loads(pair.benefit)["kind"], "reason": reason}
        _tell(books, pair, side, "pair.reversed", **said)
    return taken


def take_pairs_over(books: Books, gone: Customer, into: Customer) -> None:
    """Let the pairs of a customer who goes on as another be the other's."""
    books.pairs_of[into.customer_id] |= books.pairs_of.pop(gone.customer_id, set())
    for name, offer_id in [each for each in books.pair_counts if each[0] == gone.customer_id]:
        books.pair_counts[into.customer_id, offer_id] += books.pair_counts.pop((name, offer_id))
    settle_pairs_of(books, into)


# What is judged


def _state(listing: Listing) -> State:
    return State(listing.offer, listing.reserved, is_retired=listing.retired_at is not None)


def _terms(pair: Pair) -> Terms:
    return Terms(pair.kind, pair.currency, pair.minimum, pair.accepted_at or pair.invited_at, pair.expires_at)


def _member(books: Books, customer: Customer) -> Member:
    found = (purchase.sale for purchase in books.sales.get(customer.customer_id, {}).values())
    return Member(books.names(customer), [sale for sale in found if sale is not None])


def _person(books: Books, customer: Customer) -> Person:
    cards = frozenset(books.cards_of[customer.customer_id])
    return Person(customer.customer_id, customer.email_hash, customer.phone_hash, cards)


# A pair in the books


def keep(books: Books, pair: Pair) -> Pair:
    """Note that a pair is new, or changed; whoever is one of it, and its offer, count it."""
    before = books.pairs.get(pair.pair_id)
    if before is not None:
        _count(books, before, -1)
    _count(books, pair, 1)
    books.pairs[pair.pair_id] = books.changes.pairs[pair.pair_id] = pair
    if pair.accepted_at is not None:
        for side in SIDES:
            books.pairs_of[_one(books, pair, side).customer_id].add(pair.pair_id)
    return pair


def _count(books: Books, pair: Pair, by: int) -> None:
    if pair.is_reserved:
        books.changes.reserved[pair.offer_id] += by
        if pair.offer_id in books.offers:
            books.offers[pair.offer_id].reserved += by
    if pair.counts(books.now):
        for side in SIDES[: 1 if pair.accepted_at is None else 2]:
            books.pair_counts[_one(books, pair, side).customer_id, pair.offer_id] += by


def _one(books: Books, pair: Pair, side: Side) -> Customer:
    return books.customer(pair.referrer_id if side == "referrer" else pair.friend_id or "")


# What both get


def _reward_id(pair: Pair, side: Side) -> str:
    return f"{pair.pair_id}/{side}/{pair.round}"


def _give(books: Books, pair: Pair, side: Side) -> None:
    name, owner = _reward_id(pair, side), _one(books, pair, side).customer_id
    reward = PairReward(name, pair.pair_id, owner, side, pair.round, "given", books.now)
    books.pair_rewards[pair.pair_id][name] = reward
    _note(books, reward, "given")
    _tell(books, pair, side, "pair.completed", reward_id=name, reward=orjson.Fragment(pair.benefit))


def _note(books: Books, reward: PairReward, status: Literal["given", "reversed"]) -> None:
    reward.status, reward.decided_at = status, books.now
    books.changes.pair_rewards[reward.reward_id] = reward


# What is said


def _tell_both(books: Books, pair: Pair, kind: str, **details: object) -> None:
    """Say something to each of the two that is known."""
    for side in SIDES[: 1 if pair.friend_id is None else 2]:
        _tell(books, pair, side, kind, **details)


def _tell(books: Books, pair: Pair, side: Side, kind: str, **details: object) -> None:
    said = {
        "pair_id": pair.pair_id,
        "side": side,
        "offer_id": pair.offer_id,
        "kind": pair.kind,
        "referrer_id": pair.referrer_id,
        "friend_id": pair.friend_id,
        "expires_at": pair.expires_at,
        "occurred_at": books.now,
    }
    emit(books, _one(books, pair, side), kind, said | details)


def _refused(obstacle: Obstacle) -> Outcome:
    return Outcome("refused", obstacle.code, obstacle.detail, more=obstacle.more)


def _ended(pair: Pair) -> Outcome | None:
    return None if pair.status == "invited" else refused(f"pair-{pair.status}", f"the pair is {pair.status}")


def _unknown(pair_id: str) -> Outcome:
    return refused("pair-unknown", f"there is no pair {pair_id}")


def _answer(pair: Pair) -> Outcome:
    return Outcome("booked", pair=pair)
