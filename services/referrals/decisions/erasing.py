"""Customers who are erased: what is open of them ends, their codes claim nothing, and nothing is noted of them any more."""

from collections.abc import Iterator

from services.referrals.books import Books
from services.referrals.commands import (
    AcceptPair,
    ChooseCode,
    ClaimCode,
    Command,
    EraseCustomer,
    HearCard,
    HearCustomer,
    HearMerge,
    HearPurchase,
    HearRefund,
    HearTier,
    InvitePair,
    MakeCode,
    Outcome,
)
from services.referrals.decisions.codes import retire
from services.referrals.decisions.pairs import end
from services.referrals.decisions.referrals import reject
from services.referrals.records import Customer, Pair, PurchaseKey
from shared.withholding import CUSTOMERS, ERASED, withhold


def erase_customer(books: Books, command: EraseCustomer) -> Outcome:
    customer = books.customer(command.customer_id)
    if customer.erased:
        return Outcome("repeated")
    names = books.names(customer)
    books.changes.erased.extend(sorted(names))
    books.changes.outbox = list(withhold(books.changes.outbox, names))
    _end_what_is_open(books, customer)
    customer.email_hash = customer.phone_hash = customer.tier = None
    customer.erased = True
    books.keep(customer)
    if command.origin.document is not None:
        books.changes.outbox.append((CUSTOMERS, command.customer_id, command.origin.document.decode()))
    return Outcome("booked")


def _end_what_is_open(books: Books, customer: Customer) -> None:
    """End what can come to nothing any more; what their purchases have brought others goes on."""
    referral = books.live.get(customer.customer_id)
    if referral is not None and not referral.has_qualified:
        reject(books, referral, ERASED)
    for code in list(books.codes_of.get(customer.customer_id, {}).values()):
        retire(books, code)
    for pair_id in sorted(books.pairs_of[customer.customer_id]):
        if books.pairs[pair_id].status == "accepted":
            end(books, books.pairs[pair_id], "cancelled", ERASED)


def concerned(books: Books, command: Command) -> Iterator[str | None]:
    """Give the customers that a command is about: whom it names, or whose purchase or pair it is."""
    match command:
        case HearPurchase(purchase=said):
            yield said.customer_id
            yield books.cards.get(said.card_number or "")
            yield _buyer(books, (said.shop_id, said.invoice_number))
        case HearRefund(refund=said):
            yield said.customer_id
            yield _buyer(books, (said.shop_id, said.invoice_number))
        case HearMerge(customer_id=customer_id, into=into):
            yield from (customer_id, into)
        case HearCustomer() | HearCard() | HearTier() | MakeCode() | ChooseCode():
            yield command.customer_id
        case ClaimCode(friend_id=friend_id):
            yield friend_id
        case InvitePair(customer_id=customer_id, friend_id=invited):
            yield from (customer_id, invited)
        case AcceptPair(pair_id=pair_id, friend_id=friend_id):
            pair: Pair | None = books.pairs.get(pair_id)
            yield from (friend_id, None if pair is None else pair.referrer_id)


def _buyer(books: Books, key: PurchaseKey) -> str | None:
    purchase = books.purchases.get(key)
    return None if purchase is None else purchase.customer_id
