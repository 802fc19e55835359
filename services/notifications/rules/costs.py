"""What an occasion would cost: what is known of points and sums, and what is estimated of shares."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from services.notifications.benefits import Benefit, CouponBenefit, MoneyVoucher, PercentageVoucher, PointsBenefit

ZERO, CENT, PERCENT = Decimal(0), Decimal("0.01"), Decimal(100)


@dataclass(slots=True)
class Bill:
    """Gathers what a benefit costs over the customers who would get it.

    A share is taken of a customer's average purchase; of those who never bought, of the average of the others.
    """

    benefit: Benefit | None
    gifts: int = 0
    points: int = 0
    sums: Decimal = ZERO
    shares: Decimal = ZERO
    estimated: int = 0

    def add(self, turnover: Decimal, purchases: int) -> None:
        self.gifts += 1
        if isinstance(self.benefit, PointsBenefit):
            self.points += self.benefit.points
        elif isinstance(self.benefit, CouponBenefit):
            self._add_coupon(self.benefit, turnover, purchases)

    def _add_coupon(self, benefit: CouponBenefit, turnover: Decimal, purchases: int) -> None:
        value = benefit.coupon.value
        if isinstance(value, MoneyVoucher):
            self.sums += value.amount
        elif isinstance(value, PercentageVoucher) and purchases > 0:
            average = max(ZERO, turnover) / purchases
            self.estimated += 1
            # below the minimum it takes a larger basket than usual: the smallest that it is good for
            self.shares += max(average, value.minimum) * value.percent / PERCENT

    @property
    def at_most(self) -> Decimal:
        """What coupons take off if every one is used."""
        others = self.gifts - self.estimated if self.estimated else 0
        average = self.shares / self.estimated if self.estimated else ZERO
        return cents(self.sums + self.shares + others * average)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
