"""Purchases that named codes, and what of them was taken back."""

from services.notifications.books import Books
from services.notifications.commands import Outcome, TakeBack, UseCoupons
from services.notifications.decisions.coupons import free_coupon, use_coupon
from services.notifications.decisions.pricing import paid
from services.notifications.decisions.shared_codes import free_shared, use_shared
from services.notifications.records import Sale, Use


def use_coupons(books: Books, command: UseCoupons) -> Outcome:
    """Take each code for the purchase; what was used elsewhere is recorded, and what nobody knows waits for its coupon."""
    sale = books.sale((command.shop_id, command.invoice_number))
    if sale.total is not None:
        return Outcome("repeated")
    sale.total = command.total
    amounts = paid(books, command)
    for code in command.codes:
        use = Use(
            code, *sale.key, "unknown", command.occurred_at, customer_id=command.customer_id, amount=amounts.get(code)
        )
        known = books.uses.get(use.key)
        if known is None or known.status != "redeemed":
            _use(books, use)
    _free_if_taken_back(books, sale)
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
    sale.refunded += command.amount
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
