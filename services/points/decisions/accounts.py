"""Accounts: opened with their card, and what is common to all that give and take points by name."""

import datetime as dt

from services.points.books import Books
from services.points.commands import Outcome, refused
from services.points.decisions.events import balance_of, emit
from services.points.records import Account
from services.points.rules import cards, dates
from shared.requests import Origin


def card_refusal(books: Books, number: str, account: Account | None) -> Outcome | None:
    """Return why a card can't be this customer's; none where it is theirs already, or nobody's."""
    if cards.is_mistyped(number):
        return refused("card-mistyped", f"the check digit of card {number} is wrong", "/card_number")
    owner = books.cards.get(number)
    if owner is not None and (account is None or books.accounts.get(owner) is not account):
        return refused("card-taken", f"card {number} belongs to another customer", "/card_number")
    return None


def open_account(
    books: Books, customer_id: str, enrolled_at: dt.datetime, origin: Origin | None, *, card_number: str | None = None
) -> Account:
    """Return the customer's account, opening it where there is none."""
    account = books.accounts.get(customer_id)
    if account is not None:
        return account
    number = card_number or cards.card_number(books.serials.popleft())
    account = Account(customer_id, number, "active", 0, 0, 0, 0, 0, 0, enrolled_at, books.version)
    books.accounts[customer_id] = account
    books.lots[customer_id] = []
    books.changes.accounts.append(account)
    own_card(books, number, customer_id)
    data = {
        "customer_id": customer_id,
        "card_number": number,
        "enrolled_at": enrolled_at,
        "balance": balance_of(account),
    }
    emit(books, account, "loyalty.account.opened.v1", data, origin)
    return account


def own_card(books: Books, number: str, customer_id: str) -> None:
    """Give a card its owner; purchases may have waited for it."""
    books.cards[number] = customer_id
    owned = books.changes.owned_cards if number in books.awaited_cards else books.changes.cards
    owned[number] = customer_id, books.now


def inactive(account: Account, name: str, pointer: str | None = None) -> Outcome:
    """Refuse what only an active account may do; `name` is the customer as the request calls them."""
    return refused(f"account-{account.status}", f"the account of customer {name} is {account.status}", pointer)


def insufficient(account: Account, points: int, within_reach: int | None = None) -> Outcome:
    """Refuse to spend more than there is; with a household there may be more `within_reach` than the customer has."""
    available = account.available if within_reach is None else within_reach
    detail = f"{points} points asked for, {available} available, {account.held} held"
    balance = account.balance._replace(available=available)
    return Outcome("refused", "insufficient-points", detail, "/points", balance=balance)


def keep_alive(books: Books, account: Account) -> None:
    """Have points that no purchase brought live for a whole period, where inactivity has ended all others."""
    expiry = books.programme.expiry
    if expiry.model == "inactivity" and (account.inactive_on is None or account.inactive_on < books.today):
        account.inactive_on, account.inactivity_announced = dates.expires_on(books.today, expiry), False
        books.changes.changed_standings[account.customer_id] = account
