"""What each sale of a partner's customer earns by the terms of the claim, judged from all that is known of them."""

import calendar
import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

from services.referrals.rules.qualifying import Sale
from services.referrals.terms import Fixed, Terms, payable


class Earned(NamedTuple):
    """What a sale earns, as things stand."""

    sale: Sale
    amount: Decimal


def earned(
    sales: Collection[Sale], claimed_at: dt.datetime, qualifies_until: dt.datetime, terms: Terms
) -> list[Earned]:
    """Return what sales earn, in their order: each of them until the months are over, or the first in the window only."""
    until = qualifies_until if terms.months is None else months_later(claimed_at, terms.months)
    counting = sorted(
        (
            each
            for each in sales
            if claimed_at <= each.occurred_at < until and each.reaches(terms.minimum, terms.currency)
        ),
        key=lambda sale: sale[:3],
    )
    if terms.months is None:
        counting = counting[:1]
    amounts = (Earned(sale, amount(sale.left, terms)) for sale in counting)
    return [each for each in amounts if each.amount > 0]


def amount(left: Decimal, terms: Terms) -> Decimal:
    """Return what a sale that counts earns: a fixed amount, or a share of what is left of it, rounded once."""
    commission = terms.commission
    if isinstance(commission, Fixed):
        return payable(commission.amount, terms.currency)
    return payable(left * commission.percent / 100, terms.currency)


def hold_until(sale: Sale, terms: Terms) -> dt.datetime:
    """Return when the hold of a sale is over."""
    return sale.occurred_at + dt.timedelta(days=terms.hold_days)


def months_later(instant: dt.datetime, months: int) -> dt.datetime:
    """Return the same time so many months on, in UTC, on the last day of a month that has no such day."""
    utc = instant.astimezone(dt.UTC)
    years, month = divmod(utc.month - 1 + months, 12)
    year, month = utc.year + years, month + 1
    return utc.replace(year=year, month=month, day=min(utc.day, calendar.monthrange(year, month)[1]))


def following(month: dt.date) -> dt.date:
    """Return the first day of the month after one, by its own."""
    return (month + dt.timedelta(days=31)).replace(day=1)
