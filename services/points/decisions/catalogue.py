"""The catalogue as staff keep it: rewards put in, changed, taken out."""

from dataclasses import replace

from services.points.books import Books
from services.points.catalogue import TAKEN_IDS, faults
from services.points.commands import KeepReward, Outcome, RetireReward, refused
from services.points.records import Listing


def keep_reward(books: Books, command: KeepReward) -> Outcome:
    """Put a reward in, or change what stands there; the same again changes nothing."""
    found = faults(command.reward, books.programme)
    if found:
        return refused("reward-faulty", found[0].detail, found[0].pointer)
    listing = books.rewards.get(command.reward_id)
    if listing is None:
        return _create(books, command) if command.is_new else unknown(command.reward_id)
    if listing.reward == command.reward and listing.retired_at is None:
        return _answer(listing, is_new=False)
    if command.is_new:
        return refused("reward-exists", f"there is another reward {command.reward_id}", "/reward_id")
    return _change(books, listing, command)


def _create(books: Books, command: KeepReward) -> Outcome:
    if command.reward_id in TAKEN_IDS:
        return refused("reward-faulty", f"{command.reward_id!r} is a word of the API", "/reward_id")
    listing = Listing(command.reward_id, command.reward, books.now)
    books.rewards[command.reward_id] = books.changes.new_rewards[command.reward_id] = listing
    return _answer(listing)


def _change(books: Books, listing: Listing, command: KeepReward) -> Outcome:
    """Change a reward; what was claimed of it keeps its price, its code and its kind."""
    stock = command.reward.stock
    if listing.retired_at is not None:
        return retired(listing)
    if command.reward.value.kind != listing.reward.value.kind:
        detail = f"it is a {listing.reward.value.kind} and stays one: make another reward"
        return refused("reward-kind-fixed", detail, "/value/kind")
    if stock is not None and stock < listing.claimed:
        detail = f"{listing.claimed} were claimed already"
        return refused("stock-below-claims", detail, "/stock", claimed=listing.claimed)
    listing.reward = command.reward
    books.changes.changed_rewards[listing.reward_id] = listing
    return _answer(listing)


def retire_reward(books: Books, command: RetireReward) -> Outcome:
    listing = books.rewards.get(command.reward_id)
    if listing is None:
        return unknown(command.reward_id)
    if listing.retired_at is not None:
        return _answer(listing, is_new=False)
    listing.retired_at = books.now
    books.changes.changed_rewards[listing.reward_id] = listing
    return _answer(listing)


def unknown(reward_id: str) -> Outcome:
    return refused("reward-unknown", f"there is no reward {reward_id}")


def retired(listing: Listing) -> Outcome:
    return refused("reward-retired", f"reward {listing.reward_id} is not in the catalogue any more")


def _answer(listing: Listing, *, is_new: bool = True) -> Outcome:
    # as it is now, whatever the same batch makes of it
    return Outcome("booked" if is_new else "repeated", listing=replace(listing))
