"""What codes would take off a basket, and why not: read, and judged as tills are when they redeem."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications import queries
from services.notifications.answers import basket_view, coupon_view
from services.notifications.decisions.pricing import STATES, terms_of, terms_of_shared, used_by_others
from services.notifications.queries import Found
from services.notifications.records import Coupon
from services.notifications.rules.coupons import ZERO, Basket, Priced, Used, admitted, priced
from services.notifications.rules.coupons import Coupon as Terms


class Checked(NamedTuple):
    """What became of a code; `coupon` as answers show it."""

    code: str
    reason: str | None
    worth: Decimal | None = None
    coupon: dict[str, Any] | None = None


async def checked(
    connection: AsyncConnection,
    codes: Sequence[str],
    basket: Basket | None,
    *,
    reservation: str | None,
    now: dt.datetime,
) -> list[Checked]:
    """Return what becomes of each code, in their order; those that can't be used at all are no obstacle to the others."""
    customer_id = None if basket is None else basket.customer_id
    found = await queries.named(connection, codes, customer_id, reservation, now)
    why = {code: _unusable(found, code, reservation, now) for code in codes}
    usable = [_terms(found, code, basket) for code in codes if why[code] is None]
    judged = {each.code: each for each in _judge(usable, basket)}
    return [_checked(found, code, why[code], judged.get(code), now, has_basket=basket is not None) for code in codes]


def _unusable(found: Found, code: str, reservation: str | None, now: dt.datetime) -> str | None:
    shared, coupon = found.shared.get(code), found.coupons.get(code)
    if shared is not None:
        state = None if code in found.kept else STATES.get(shared.status_at(now))
        return None if state is None else state.reason
    return "code-unknown" if coupon is None else _not_free(coupon, reservation, now)


def _not_free(coupon: Coupon, reservation: str | None, now: dt.datetime) -> str | None:
    status = coupon.status_at(now)
    has_it = status == "reserved" and coupon.reservation == reservation
    return None if status == "issued" or has_it else f"coupon-{status}"


def _terms(found: Found, code: str, basket: Basket | None) -> tuple[Terms, Used]:
    shared, kept = found.shared.get(code), found.kept.get(code)
    if shared is None:
        return terms_of(found.coupons[code]), Used()
    terms = terms_of_shared(shared)
    if basket is None:
        # what is kept is paid with as it was kept
        return (terms if kept is None else terms._replace(budget=None)), Used(shared.uses, shared.amount)
    return terms, used_by_others(shared, kept, basket.customer_id, found.had.get(code, 0))


def _judge(usable: Sequence[tuple[Terms, Used]], basket: Basket | None) -> list[Priced]:
    if basket is not None:
        return priced(usable, basket)
    firsts = (usable[: place + 1] for place in range(len(usable)))
    return [Priced(each[-1][0].code, ZERO, admitted(each)) for each in firsts]


def _checked(
    found: Found, code: str, why: str | None, judged: Priced | None, now: dt.datetime, *, has_basket: bool
) -> Checked:
    shown = _view(found, code, now)
    if judged is None:
        return Checked(code, why, coupon=shown)
    if judged.refused is not None:
        return Checked(code, judged.refused.reason, coupon=shown)
    return Checked(code, None, judged.worth if has_basket else None, shown)


def _view(found: Found, code: str, now: dt.datetime) -> dict[str, Any] | None:
    shared, coupon = found.shared.get(code), found.coupons.get(code)
    if shared is not None:
        return basket_view(shared, now, kept=found.kept.get(code))
    return None if coupon is None else coupon_view(coupon, now)
