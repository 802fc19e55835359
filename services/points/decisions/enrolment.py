"""Enrolment: an account, and the purchases that waited for its card."""

from services.points.books import Books
from services.points.commands import EnrolCustomer, Outcome, refused
from services.points.decisions.accounts import card_refusal, open_account, own_card
from services.points.decisions.actions import give_unasked
from services.points.decisions.events import CUSTOMERS_TOPIC, emit, hear, is_heard, relay
from services.points.decisions.purchases import attach
from services.points.decisions.tiers import answer
from services.points.records import Account
from services.points.rules import cards
from shared.dates import is_ahead


def enrol_customer(books: Books, command: EnrolCustomer) -> Outcome:
    account = books.accounts.get(command.customer_id)
    if is_heard(books, command.origin):
        return answer("repeated", books, account) if account else Outcome("repeated")
    refusal = _refusal(books, command, account)
    if refusal is not None:
        return refusal
    hear(books, command.origin)
    if account is not None:
        relay(books, CUSTOMERS_TOPIC, command.customer_id, command.origin)
        has_new_card = _is_new(books, command.card_number)
        if has_new_card:
            change_card(books, account, command.card_number)
        is_new = give_unasked(books, account, command.actions, command.enrolled_at)
        return answer("booked" if is_new or has_new_card else "repeated", books, account)
    account = open_account(
        books, command.customer_id, command.enrolled_at, command.origin, card_number=command.card_number
    )
    relay(books, CUSTOMERS_TOPIC, command.customer_id, command.origin)
    for purchase in books.parked.pop(account.card_number or "", ()):
        attach(books, purchase, account)
    give_unasked(books, account, command.actions, command.enrolled_at)
    return answer("booked", books, account)


def _refusal(books: Books, command: EnrolCustomer, account: Account | None) -> Outcome | None:
    if account is None and is_ahead(command.enrolled_at, books.now):
        return refused("enrolled-in-future", f"{command.enrolled_at} is more than 24 hours ahead", "/enrolled_at")
    number = command.card_number
    if number is None:
        return None
    refusal = card_refusal(books, number, account)
    # a card of our own is no answer: a purchase or a grant that was heard first had opened the account with it
    has_other = account is not None and not cards.is_ours(account.card_number or "")
    if refusal is None and has_other and _is_new(books, number):
        detail = f"customer {command.customer_id} is enrolled with another card"
        return refused("account-conflict", detail, "/card_number")
    return refusal


def _is_new(books: Books, card_number: str | None) -> bool:
    return card_number is not None and books.cards.get(card_number) is None


def change_card(books: Books, account: Account, number: str | None) -> None:
    """Give an account another card, and the purchases that waited for it."""
    before, account.card_number = account.card_number, number or cards.card_number(books.serials.popleft())
    if books.cards.get(account.card_number) is None:
        own_card(books, account.card_number, account.customer_id)
    books.changes.changed_standings[account.customer_id] = account
    data = {"customer_id": account.customer_id, "card_number": account.card_number, "replaced": before}
    emit(books, account, "loyalty.card.replaced.v1", data)
    for purchase in books.parked.pop(account.card_number, ()):
        attach(books, purchase, account)
