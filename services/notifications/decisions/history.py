"""What customers bought, in short: each purchase counts once, whichever of it, its refunds and its card is heard of first."""

from decimal import Decimal

import orjson

from services.notifications.books import Books
from services.notifications.commands import UseCoupons
from services.notifications.records import Bought, Sale


def note(books: Books, sale: Sale, command: UseCoupons) -> None:
    """Keep what a purchase says beside its codes, and count it for whose it is, as far as that is known."""
    sale.card_number, sale.currency, sale.occurred_at = command.card_number, command.currency, command.occurred_at
    sale.categories = orjson.dumps(command.categories).decode()
    sale.is_turnover = command.currency == books.versions.at(command.occurred_at).programme.currency
    customer_id = command.customer_id or books.cards.get(command.card_number or "")
    if customer_id is not None:
        attach(books, sale, customer_id)
    elif command.card_number is not None:
        books.parked.setdefault(command.card_number, []).append(sale)


def attach(books: Books, sale: Sale, customer_id: str) -> None:
    """Let a purchase be its customer's; of one who was erased nothing is counted."""
    sale.customer_id = customer_id
    books.sale(sale.key)
    customer, at = books.customer(customer_id), sale.occurred_at
    if customer.erased_at is not None or at is None:
        return
    customer.purchases += 1
    customer.turnover += sale.worth
    customer.first_purchase_at = min(customer.first_purchase_at or at, at)
    customer.last_purchase_at = max(customer.last_purchase_at or at, at)
    books.change(customer)
    for category in orjson.loads(sale.categories):
        more = books.changes.bought.setdefault(
            (customer.customer_id, category), Bought(customer.customer_id, category, 0, at)
        )
        more.purchases += 1
        more.last_at = max(more.last_at, at)


def lower(books: Books, sale: Sale, before: Decimal) -> None:
    """Take from its customer's turnover what a purchase is worth no more."""
    if sale.customer_id is None or sale.worth == before:
        return
    customer = books.customer(sale.customer_id)
    if customer.erased_at is None:
        customer.turnover += sale.worth - before
        books.change(customer)
