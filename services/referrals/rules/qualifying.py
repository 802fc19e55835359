"""Which purchase of a friend counts, judged from all that is known, so that the order of arrival never matters (rule 25)."""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

from services.referrals.programme import Programme


class Sale(NamedTuple):
    """A purchase: `amount` is what counts of it, `refunded` what counts of that and was taken back; ordered by time."""

    occurred_at: dt.datetime
    shop_id: str
    invoice_number: str
    currency: str
    amount: Decimal
    refunded: Decimal = Decimal(0)
    companion_id: str | None = None

    @property
    def left(self) -> Decimal:
        return self.amount - self.refunded

    def reaches(self, minimum: Decimal, currency: str) -> bool:
        """Tell whether enough of it is left; of a purchase taken back as a whole nothing is, whatever the minimum."""
        return self.currency == currency and self.left >= minimum and self.left > 0


class Outcome(NamedTuple):
    """What a friend's purchases say of a claim."""

    bought_before: bool
    qualifying: Sale | None


def counting(total: Decimal, *, shipping: Decimal, gift_cards: Decimal, points_paid: Decimal) -> Decimal:
    """Return what counts of a purchase or a refund."""
    return max(Decimal(0), total - shipping - gift_cards - points_paid)


def qualifies_until(claimed_at: dt.datetime, programme: Programme) -> dt.datetime:
    """Return the first instant at which a purchase is too late."""
    return claimed_at + dt.timedelta(days=programme.window_days)


def judge(sales: Collection[Sale], claimed_at: dt.datetime, programme: Programme) -> Outcome:
    """Return the first purchase in the window that is big enough, unless the friend had bought before the claim."""
    if any(sale.occurred_at < claimed_at for sale in sales):
        return Outcome(bought_before=True, qualifying=None)
    until = qualifies_until(claimed_at, programme)
    within = (sale for sale in sales if sale.occurred_at < until)
    reaching = (sale for sale in within if sale.reaches(programme.minimum, programme.currency))
    return Outcome(bought_before=False, qualifying=min(reaching, key=lambda sale: sale[:3], default=None))
