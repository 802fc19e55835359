"""Offers for two as staff keep them: put in, changed, taken back."""

from dataclasses import replace

from services.referrals.books import Books
from services.referrals.commands import KeepOffer, Outcome, RetireOffer, refused
from services.referrals.offers import Offer, faults
from services.referrals.records import Listing


def keep_offer(books: Books, command: KeepOffer) -> Outcome:
    """Put an offer in, or change what stands there; the same again changes nothing."""
    found = faults(command.offer)
    if found:
        return refused("offer-faulty", found[0].detail, found[0].pointer)
    listing = books.offers.get(command.offer_id)
    if listing is None:
        return _create(books, command) if command.is_new else unknown(command.offer_id)
    if listing.offer == command.offer and listing.retired_at is None:
        return _answer(listing, is_new=False)
    if command.is_new:
        return refused("offer-exists", f"there is another offer {command.offer_id}", "/offer_id")
    return _change(books, listing, command.offer)


def _create(books: Books, command: KeepOffer) -> Outcome:
    listing = Listing(command.offer_id, command.offer, books.now)
    books.offers[command.offer_id] = books.changes.new_offers[command.offer_id] = listing
    return _answer(listing)


def _change(books: Books, listing: Listing, offer: Offer) -> Outcome:
    """Change an offer; pairs that began keep what it asked and gave, and there is room for all of them."""
    if listing.retired_at is not None:
        return refused("offer-retired", f"offer {listing.offer_id} was taken back")
    if offer.budget is not None and offer.budget < listing.reserved:
        detail = f"{listing.reserved} pairs were accepted already"
        return refused("budget-below-pairs", detail, "/budget", pairs=listing.reserved)
    most = _most_of_a_customer(books, listing.offer_id)
    if offer.per_customer is not None and offer.per_customer < most:
        return refused("limit-below-pairs", f"a customer has {most} already", "/per_customer", pairs=most)
    listing.offer = offer
    _note(books, listing)
    return _answer(listing)


def _most_of_a_customer(books: Books, offer_id: str) -> int:
    in_batch = [pairs for (_, of), pairs in books.pair_counts.items() if of == offer_id]
    return max(books.most_pairs.get(offer_id, 0), *in_batch, 0)


def retire_offer(books: Books, command: RetireOffer) -> Outcome:
    listing = books.offers.get(command.offer_id)
    if listing is None:
        return unknown(command.offer_id)
    if listing.retired_at is not None:
        return _answer(listing, is_new=False)
    listing.retired_at = books.now
    _note(books, listing)
    return _answer(listing)


def unknown(offer_id: str) -> Outcome:
    return refused("offer-unknown", f"there is no offer {offer_id}")


def _note(books: Books, listing: Listing) -> None:
    if listing.offer_id not in books.changes.new_offers:
        books.changes.changed_offers[listing.offer_id] = listing


def _answer(listing: Listing, *, is_new: bool = True) -> Outcome:
    # as it is now, whatever the same batch makes of it
    return Outcome("booked" if is_new else "repeated", listing=replace(listing))
