"""Purchases that named codes, and what of them was taken back."""

from services.notifications.books import Books
from services.notifications.commands import Outcome, TakeBack, UseCoupons
from services.notifications.decisions.coupons import free_coupon, use_coupon
from services.notifications.records import Sale, Use


def use_coupons(books: Books, command: UseCoupons) -> Outcome:
    """Take each code for the purchase; what was used elsewhere is recorded, and what nobody knows waits for its coupon."""
    sale = _sale(books, command.shop_id, command.invoice_number)
    if sale.total is not None:
        return Outcome("repeated")
    sale.total = command.total
    for code in command.codes:
        use = Use(code, command.shop_id, command.invoice_number, "unknown", command.occurred_at)
        coupon = books.by_code.get(code)
        if coupon is None:
            books.keep_use(use)
        else:
            use_coupon(books, coupon, use)
    _free_if_taken_back(books, sale)
    return Outcome("booked")


def take_back(books: Books, command: TakeBack) -> Outcome:
    key = command.shop_id, command.invoice_number, command.refund_id
    if key in books.refunds:
        return Outcome("repeated")
    books.refunds.add(key)
    books.changes.refunds.append(key)
    sale = _sale(books, command.shop_id, command.invoice_number)
    sale.refunded += command.amount
    _free_if_taken_back(books, sale)
    return Outcome("booked")


def _sale(books: Books, shop_id: str, invoice_number: str) -> Sale:
    key = shop_id, invoice_number
    sale = books.sales.get(key)
    if sale is None:
        sale = books.sales[key] = books.changes.new_sales[key] = Sale(*key)
    elif key not in books.changes.new_sales:
        books.changes.sales[key] = sale
    return sale


def _free_if_taken_back(books: Books, sale: Sale) -> None:
    if not sale.is_taken_back:
        return
    for use in [
        use for use in books.uses.values() if use.key[1:] == sale.key and use.status in {"redeemed", "unknown"}
    ]:
        coupon = books.by_code.get(use.code)
        if coupon is not None:
            free_coupon(books, coupon, use)
        else:
            use.status = "freed"
            books.keep_use(use)
