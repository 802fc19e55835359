"""Customers who are erased: nothing is planned, said or issued for them any more, and nobody redeems what they had."""

from collections.abc import Iterator

from services.notifications.books import Books
from services.notifications.commands import (
    AnnounceCoupon,
    BookDelivery,
    Command,
    EraseCustomer,
    HearMerge,
    Outcome,
    RedeemCoupon,
    ReleaseCoupon,
    ReserveCoupon,
    TakeBack,
    UseCoupons,
)
from services.notifications.records import SaleKey
from shared.withholding import CUSTOMERS, withhold


def erase_customer(books: Books, command: EraseCustomer) -> Outcome:
    customer = books.customer(command.customer_id)
    if customer.erased_at is not None:
        return Outcome("repeated")
    names = {customer.customer_id, *(name for name, each in books.customers.items() if each is customer)}
    customer.erased_at = books.now
    books.change(customer)
    books.changes.erased.extend(sorted(names))
    changes = books.changes
    changes.outbox = list(withhold(changes.outbox, names))
    planned = [key for key, each in changes.new_notifications.items() if each.customer_id in names]
    for key in planned:
        del changes.new_notifications[key]
    if command.origin is not None and command.origin.document is not None:
        changes.outbox.append((CUSTOMERS, command.customer_id, command.origin.document.decode()))
    return Outcome("booked")


def concerned(books: Books, command: Command) -> Iterator[str | None]:
    """Give the customers that a command is about: whom it names, or whose purchase or coupon it is."""
    match command:
        case EraseCustomer() | BookDelivery():
            return
        case UseCoupons(card_number=card_number):
            yield books.cards.get(card_number or "")
            yield _buyer(books, (command.shop_id, command.invoice_number))
        case TakeBack():
            yield _buyer(books, (command.shop_id, command.invoice_number))
        case ReserveCoupon() | RedeemCoupon():
            yield None if command.basket is None else command.basket.customer_id
            yield _holder(books, command.code)
        case ReleaseCoupon(code=code):
            yield _holder(books, code)
        case AnnounceCoupon(coupon_id=coupon_id):
            yield books.coupons[coupon_id].customer_id if coupon_id in books.coupons else None
        case HearMerge(into=into):
            yield into
    yield getattr(command, "customer_id", None)


def _buyer(books: Books, key: SaleKey) -> str | None:
    return books.sales[key].customer_id if key in books.sales else None


def _holder(books: Books, code: str) -> str | None:
    return books.by_code[code].customer_id if code in books.by_code else None
