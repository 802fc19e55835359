"""What a basket has for a code, judged beside the codes that it has already (rule 27)."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import orjson
from pydantic import TypeAdapter

from services.notifications.books import Books
from services.notifications.commands import Outcome, UseCoupons, refused
from services.notifications.records import Coupon, Kept, SaleKey, SharedCode
from services.notifications.rules import coupons as rules
from services.notifications.rules.coupons import ZERO, Basket, Budget, Refused, Used
from shared.contracts.coupons import CouponValue

VALUE: TypeAdapter[CouponValue] = TypeAdapter(CouponValue)
NOTHING = Used()

STATES = {
    "upcoming": Refused("coupon-not-yet-valid"),
    "expired": Refused("coupon-expired"),
    "ended": Refused("coupon-voided"),
}

WHY: dict[rules.Reason, str] = {
    "coupon-not-yet-valid": "its time has not come",
    "coupon-expired": "it is over",
    "coupon-voided": "it was taken back",
    "coupon-of-another": "it is another customer's",
    "coupon-not-combinable": "the basket has a coupon beside which no other is taken",
    "currency-differs": "it is in another currency than the basket",
    "nothing-eligible": "nothing in the basket counts for it",
    "minimum-missed": "too little in the basket counts for it",
    "customer-missing": "it is for each customer so many times, and nobody said whose basket it is",
    "customer-had-it": "the customer has had it as often as anybody may",
    "basket-missing": "its budget is in money, and nobody said what is in the basket",
    "budget-exhausted": "its budget is used up",
}


class Judged(NamedTuple):
    """What a code takes off a basket, where the basket is known, or why it is not taken."""

    worth: Decimal | None = None
    refused: Refused | None = None
    beside: Mapping[str, Decimal] = MappingProxyType({})
    """What the others of the basket take off beside it."""


def terms_of(coupon: Coupon) -> rules.Coupon:
    """Return what a coupon asks of a basket; whether it is free, and in its time, its own state says."""
    return rules.Coupon(
        coupon.code or "",
        VALUE.validate_json(coupon.value or "null"),
        categories=frozenset(orjson.loads(coupon.categories)),
        stacks=coupon.stacks,
        customer_id=coupon.customer_id,
    )


def terms_of_shared(shared: SharedCode) -> rules.Coupon:
    """Return what a shared code asks of a basket, and its budget; whether it is in its time its state says."""
    return rules.Coupon(
        shared.code,
        VALUE.validate_json(shared.value),
        categories=frozenset(orjson.loads(shared.categories)),
        stacks=shared.stacks,
        budget=Budget(shared.most_uses, shared.most_amount, shared.most_per_customer, shared.currency),
    )


def used_by_others(shared: SharedCode, kept: Kept | None, customer_id: str | None, had: int) -> Used:
    """Return what of a shared code all but a basket have; `kept` is what the basket keeps, `had` what its customer has."""
    if kept is None:
        return Used(shared.uses, shared.amount, had)
    is_theirs = customer_id is not None and kept.customer_id == customer_id
    return Used(shared.uses - 1, shared.amount - (kept.amount or ZERO), had - is_theirs)


def judge(terms: rules.Coupon, used: Used, basket: Basket | None, beside: Sequence[rules.Coupon]) -> Judged:
    """Judge a code for a basket that has others already."""
    together = [*((each, NOTHING) for each in beside), (terms, used)]
    if basket is None:
        return Judged(refused=rules.admitted(together))
    *others, found = rules.priced(together, basket)
    return Judged(found.worth, found.refused, {each.code: each.worth for each in others if each.refused is None})


def reprice(books: Books, sale: SaleKey, worths: Mapping[str, Decimal]) -> None:
    """Note what the codes that a purchase took before are worth now that it takes another: never more than they were."""
    for use in [use for use in books.uses.values() if use.sale_key == sale and use.status == "redeemed"]:
        worth = worths.get(use.code)
        if worth is None or use.amount is None or worth >= use.amount:
            continue
        shared = books.shared.get(use.code)
        if shared is not None:
            shared.amount += worth - use.amount
            books.keep_shared(shared)
        use.amount = worth
        books.keep_use(use)


def beside(books: Books, code: str, reservation: str | None, sale: SaleKey | None = None) -> list[rules.Coupon]:
    """Return the other codes that a basket keeps, or that its purchase has taken."""
    names = set(_kept(books, reservation)) if reservation is not None else set[str]()
    names |= {use.code for use in books.uses.values() if use.sale_key == sale and use.status == "redeemed"}
    return _terms(books, sorted(names - {code}))


def _kept(books: Books, reservation: str) -> Iterator[str]:
    yield from (each.code for each in books.kept.values() if each.reservation == reservation)
    for code, coupon in books.by_code.items():
        if coupon.status == "reserved" and coupon.reservation == reservation:
            yield code


def _terms(books: Books, codes: Sequence[str]) -> list[rules.Coupon]:
    """Return what codes are that somebody has already: whose they are and what is left of them matters no more."""
    shared = [terms_of_shared(books.shared[code])._replace(budget=None) for code in codes if code in books.shared]
    known = [books.by_code[code] for code in codes if code in books.by_code]
    return [*shared, *(terms_of(each)._replace(customer_id=None) for each in known if each.value is not None)]


def paid(books: Books, command: UseCoupons) -> dict[str, Decimal]:
    """Return what each code took off a basket that is paid, as far as the purchase tells."""
    return {} if command.basket is None else rules.estimated(_terms(books, command.codes), command.basket)


def refuse(found: Refused) -> Outcome:
    return refused(found.reason, WHY[found.reason])
