"""Purchases and refunds as they are heard, in any order: what they claim, qualify and take back."""

import datetime as dt
from decimal import Decimal

from services.referrals.books import Books
from services.referrals.commands import ClaimCode, HearPurchase, HearRefund, Outcome, refused
from services.referrals.decisions.claims import claim_code
from services.referrals.decisions.pairs import settle_pairs_of
from services.referrals.decisions.referrals import settle
from services.referrals.names import claim_of_purchase
from services.referrals.records import Customer, Purchase, Refund
from services.referrals.rules import codes, qualifying
from shared.contracts.purchases import PurchaseCompleted
from shared.dates import is_ahead

BOOKED = Outcome("booked")
"""One for all of them: most purchases matter to nobody, and are answered alike."""


def hear_purchase(books: Books, command: HearPurchase) -> Outcome:
    said, origin = command.purchase, command.origin
    occurred_at = said.occurred_at or origin.time or origin.received_at
    if is_ahead(occurred_at, origin.received_at):
        return refused("occurred-in-future", f"{occurred_at} is more than 24 hours ahead", "/occurred_at")
    key = said.shop_id, said.invoice_number
    known = books.purchases.get(key)
    if known is not None and known.status != "awaited":
        return _repeated(books, known, said.customer_id)
    purchase = _put(books, _heard(said, occurred_at))
    if known is not None:
        _take_waiting_refunds(books, purchase)
    customer_id = said.customer_id or books.cards.get(said.card_number or "")
    if customer_id is not None:
        attach(books, purchase, customer_id)
        return BOOKED
    if said.card_number is None:
        return BOOKED
    purchase.status = "parked"
    books.parked.setdefault(said.card_number, []).append(purchase)
    return Outcome("waiting")


def _heard(said: PurchaseCompleted, occurred_at: dt.datetime) -> Purchase:
    """Return a purchase as it was said; whose it is shows later."""
    code = said.referral_code
    return Purchase(
        said.shop_id,
        said.invoice_number,
        "unclaimed",
        None,
        said.card_number,
        occurred_at,
        said.currency,
        said.total,
        said.points_paid,
        qualifying.counting(
            said.total, shipping=said.shipping, gift_cards=said.gift_cards, points_paid=said.points_paid
        ),
        companion_id=said.companion_id,
        referral_code=None if code is None else codes.spelled(code) or code,
    )


def _put(books: Books, purchase: Purchase) -> Purchase:
    """Note that a purchase is new, or takes the place of one of which only a refund had come."""
    key, changes = purchase.key, books.changes
    is_new = key not in books.purchases or key in changes.new_purchases
    (changes.new_purchases if is_new else changes.purchases)[key] = books.purchases[key] = purchase
    return purchase


def _repeated(books: Books, purchase: Purchase, customer_id: str | None) -> Outcome:
    """A repeat changes nothing, unless it says whose purchase of nobody it was."""
    if purchase.status == "unclaimed" and customer_id is not None:
        attach(books, purchase, customer_id)
        return BOOKED
    return Outcome("repeated")


def attach(books: Books, purchase: Purchase, customer_id: str) -> None:
    """Let a purchase be its customer's, and count where it matters."""
    customer = books.customer(customer_id)
    purchase.status, purchase.customer_id = "booked", customer_id
    _change(books, purchase)
    occurred_at = purchase.occurred_at
    if occurred_at is not None and (customer.first_purchase_at is None or occurred_at < customer.first_purchase_at):
        customer.first_purchase_at = occurred_at
        books.keep(customer)
    sales = books.sales.get(customer.customer_id)
    if sales is not None:
        sales[purchase.key] = purchase
    if purchase.referral_code is not None and occurred_at is not None:
        name = claim_of_purchase(*purchase.key)
        claim_code(books, ClaimCode(name, purchase.referral_code, customer_id, occurred_at, "purchase"))
    _settle(books, customer)


def _settle(books: Books, customer: Customer) -> None:
    referral = books.live.get(customer.customer_id)
    if referral is not None:
        settle(books, referral)
    settle_pairs_of(books, customer)


def _change(books: Books, purchase: Purchase) -> None:
    if purchase.key not in books.changes.new_purchases:
        books.changes.purchases[purchase.key] = purchase


# Refunds


def hear_refund(books: Books, command: HearRefund) -> Outcome:
    said = command.refund
    known = books.refunds.get((said.shop_id, said.invoice_number, said.refund_id))
    if known is not None:
        return Outcome("repeated")
    refund = Refund(
        said.shop_id,
        said.invoice_number,
        said.refund_id,
        said.currency,
        said.amount,
        said.shipping,
        said.gift_cards,
        said.points_paid,
    )
    key = said.shop_id, said.invoice_number
    purchase = books.purchases.get(key) or _put(books, Purchase(*key))
    if purchase.status != "awaited":
        refusal = _refusal(purchase, refund)
        if refusal is not None:
            return refusal
        _take_back(books, purchase, refund)
    books.refunds[refund.key] = books.changes.new_refunds[refund.key] = refund
    if purchase.customer_id is not None:
        _settle(books, books.customer(purchase.customer_id))
    return Outcome("waiting" if purchase.status == "awaited" else "booked")


def _refusal(purchase: Purchase, refund: Refund) -> Outcome | None:
    if refund.currency != purchase.currency:
        detail = f"the purchase was in {purchase.currency}, not {refund.currency}"
        return refused("refund-currency", detail, "/currency")
    left = purchase.total - purchase.refunded
    if refund.amount > left:
        detail = f"{refund.amount} to refund, {left} of {purchase.total} {purchase.currency} not yet refunded"
        return refused("refund-exceeds-purchase", detail, "/amount")
    return None


def _take_waiting_refunds(books: Books, purchase: Purchase) -> None:
    waiting = [each for each in books.refunds.values() if each.key[:2] == purchase.key and each.status == "waiting"]
    for refund in sorted(waiting, key=lambda each: each.arrival):
        if _refusal(purchase, refund) is None:
            _take_back(books, purchase, refund)
        else:
            refund.status = "refused"
        if refund.key not in books.changes.new_refunds:
            books.changes.refunds[refund.key] = refund


def _take_back(books: Books, purchase: Purchase, refund: Refund) -> None:
    refund.status = "booked"
    purchase.refunded += refund.amount
    paid = refund.points_paid
    if paid is None:
        paid = _share(purchase, refund.amount)
    purchase.taken_back += qualifying.counting(
        refund.amount, shipping=refund.shipping, gift_cards=refund.gift_cards, points_paid=paid
    )
    _change(books, purchase)


def _share(purchase: Purchase, amount: Decimal) -> Decimal:
    """Return the part of a refund that points had paid, where it does not say: the purchase's."""
    if not purchase.total:
        return Decimal(0)
    return (purchase.points_paid * amount / purchase.total).quantize(Decimal("0.0001"))
