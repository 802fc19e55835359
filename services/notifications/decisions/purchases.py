"""Purchases, the codes that they named, and what of them was taken back."""

from services.notifications.books import Books
from services.notifications.commands import Outcome, TakeBack, UseCoupons, refused
from services.notifications.decisions.coupons import free_coupon, use_coupon
from services.notifications.decisions.history import attach, lower, note
from services.notifications.decisions.pricing import paid
from services.notifications.decisions.shared_codes import free_shared, use_shared
from services.notifications.records import Sale, Use
from shared.dates import is_ahead


def use_coupons(books: Books, command: UseCoupons) -> Outcome:
    """Take each code for the purchase; what was used elsewhere is recorded, and what nobody knows waits for its coupon."""
    if is_ahead(command.occurred_at, books.now):
        return refused("occurred-in-future", f"{command.occurred_at} is more than 24 hours ahead", "/occurred_at")
    sale = books.sale((command.shop_id, command.invoice_number))
    if sale.total is not None:
        return _repeated(books, sale, command.customer_id)
    sale.total = command.total
    note(books, sale, command)
    amounts = paid(books, command)
    for code in command.codes:
        use = Use(code, *sale.key, "unknown", command.occurred_at, sale.customer_id, amounts.get(code))
        known = books.uses.get(use.key)
        if known is None or known.status != "redeemed":
            _use(books, use)
    _free_if_taken_back(books, sale)
    return Outcome("booked")


def _repeated(books: Books, sale: Sale, customer_id: str | None) -> Outcome:
    """A repeat changes nothing, unless it says whose purchase of nobody it was."""
    if sale.customer_id is not None or sale.card_number is not None or customer_id is None:
        return Outcome("repeated")
    attach(books, sale, customer_id)
    return Outcome("booked")


def _use(books: Books, use: Use) -> None:
    shared, coupon = books.shared.get(use.code), books.by_code.get(use.code)
    if shared is not None:
        use_shared(books, shared, use)
    elif coupon is not None:
        use_coupon(books, coupon, use)
    else:
        books.keep_use(use)


def take_back(books: Books, command: TakeBack) -> Outcome:
    key = command.shop_id, command.invoice_number, command.refund_id
    if key in books.refunds:
        return Outcome("repeated")
    books.refunds.add(key)
    books.changes.refunds.append(key)
    sale = books.sale((command.shop_id, command.invoice_number))
    before = sale.worth
    sale.refunded += command.amount
    lower(books, sale, before)
    _free_if_taken_back(books, sale)
    return Outcome("booked")


def _free_if_taken_back(books: Books, sale: Sale) -> None:
    if not sale.is_taken_back:
        return
    for use in list(books.uses.values()):
        if use.sale_key == sale.key and use.status in {"redeemed", "unknown"}:
            _free(books, use)


def _free(books: Books, use: Use) -> None:
    shared, coupon = books.shared.get(use.code), books.by_code.get(use.code)
    if shared is not None:
        free_shared(books, shared, use)
    elif coupon is not None:
        free_coupon(books, coupon, use)
    else:
        use.status = "freed"
        books.keep_use(use)
