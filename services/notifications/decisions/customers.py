"""What is heard of customers from whoever keeps their points: balances, tiers, cards, and as whom they go on."""

import datetime as dt

import orjson

from services.notifications.books import Books
from services.notifications.commands import HearMerge, HearStanding, Outcome
from services.notifications.decisions.digests import fold_digest
from services.notifications.decisions.history import attach
from services.notifications.decisions.profiles import join
from services.notifications.records import Customer
from services.notifications.rules.profiles import OWN, SHARED


def hear_standing(books: Books, command: HearStanding) -> Outcome:
    """Take what is newer than what is known; of whoever goes on as another only the card and the joining matter."""
    customer = books.customer(command.customer_id)
    if customer.erased_at is not None:
        return Outcome("ignored")
    news = [
        command.card_number is not None and _learn_card(books, command.card_number, command.customer_id),
        command.enrolled_at is not None and join(books, customer, command.enrolled_at),
        customer.customer_id == command.customer_id and _take_standing(customer, command),
    ]
    if not any(news):
        return Outcome("repeated")
    books.change(customer)
    return Outcome("booked")


def _take_standing(customer: Customer, command: HearStanding) -> bool:
    """Keep balance and tier, each by the number of what said it: both are never older than what was kept."""
    is_balance_new = command.available is not None and command.sequence > customer.points_sequence
    if is_balance_new:
        customer.available, customer.pending = command.available or 0, command.pending or 0
        customer.points_sequence = command.sequence
    is_tier_new = command.tier is not None and command.sequence > customer.tier_sequence
    if is_tier_new:
        customer.tier, customer.tier_sequence = command.tier, command.sequence
    return is_balance_new or is_tier_new


def _learn_card(books: Books, card_number: str, customer_id: str) -> bool:
    """Keep whose a card is; the first owner stays. Purchases that waited for it are theirs."""
    if card_number in books.cards:
        return False
    books.cards[card_number] = books.changes.cards[card_number] = customer_id
    for sale in books.parked.pop(card_number, []):
        attach(books, sale, customer_id)
    return True


# Two names that are one customer


def hear_merge(books: Books, command: HearMerge) -> Outcome:
    """Let a customer go on as another, with their history; of the profile what the other lacks."""
    gone, into = books.customer(command.customer_id), books.customer(command.into)
    if gone is into or gone.customer_id != command.customer_id or gone.erased_at is not None:
        return Outcome("repeated")
    _take_history_over(gone, into)
    _take_profile_over(gone, into)
    fold_digest(books, gone, into)
    books.change(into)
    books.leave(gone, into)
    return Outcome("booked")


def _take_history_over(gone: Customer, into: Customer) -> None:
    into.purchases += gone.purchases
    into.turnover += gone.turnover
    into.first_purchase_at = min(_known(gone.first_purchase_at, into.first_purchase_at), default=None)
    into.last_purchase_at = max(_known(gone.last_purchase_at, into.last_purchase_at), default=None)


def _known(*instants: dt.datetime | None) -> list[dt.datetime]:
    return [each for each in instants if each is not None]


def _take_profile_over(gone: Customer, into: Customer) -> None:
    if into.birthday is None:
        into.birthday_entered_on = gone.birthday_entered_on
    for name in (*SHARED, *OWN):
        if getattr(into, name) is None:
            setattr(into, name, getattr(gone, name))
    into.preferences = orjson.dumps(orjson.loads(gone.preferences) | orjson.loads(into.preferences)).decode()
    into.profile_at = max(_known(gone.profile_at, into.profile_at), default=None)
    into.joined_on = min((each for each in (gone.joined_on, into.joined_on) if each is not None), default=None)
