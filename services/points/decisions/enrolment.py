"""Enrolment: an account, and the purchases that waited for its card."""

from services.points.books import Books
from services.points.commands import EnrolCustomer, Outcome, refused
from services.points.decisions.accounts import card_refusal, open_account
from services.points.decisions.actions import give_unasked
from services.points.decisions.events import CUSTOMERS_TOPIC, hear, is_heard, relay
from services.points.decisions.purchases import attach
from services.points.decisions.tiers import answer
from services.points.records import Account
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
        is_new = give_unasked(books, account, command.actions, command.enrolled_at)
        return answer("booked" if is_new else "repeated", books, account)
    account = open_account(
        books, command.customer_id, command.enrolled_at, command.origin, card_number=command.card_number
    )
    relay(books, CUSTOMERS_TOPIC, command.customer_id, command.origin)
    for purchase in books.parked.pop(account.card_number, ()):
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
    if refusal is None and account is not None and books.cards.get(number) is None:
        detail = f"customer {command.customer_id} is enrolled with another card"
        return refused("account-conflict", detail, "/card_number")
    return refusal
