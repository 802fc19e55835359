"""What points are worth as money, and how many of them go back when what they paid for does."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from services.points.programme import PayWithPoints

ZERO = Decimal(0)
CENT = Decimal("0.01")


def points_for(amount: Decimal, *, per_unit: Decimal) -> int:
    """Return how many points pay an amount: whole ones, so that they are worth no less."""
    return int((amount * per_unit).to_integral_value(ROUND_CEILING))


def worth(points: int, *, per_unit: Decimal) -> Decimal:
    """Return the money that points are worth, rounded down to whole cents."""
    return (Decimal(points) / per_unit).quantize(CENT, ROUND_FLOOR)


def spendable(available: int, *, left: Decimal, currency: str, rule: PayWithPoints | None) -> int:
    """Return how many of the available points may pay for a purchase of which `left` is not paid yet."""
    if rule is None:
        return max(0, available)
    per_unit = rule.points_per_unit.get(currency)
    if per_unit is None:
        return 0
    most = int((left * rule.largest_share * per_unit).to_integral_value(ROUND_FLOOR))
    points = min(available, most) // rule.step * rule.step
    return points if points >= rule.minimum else 0


def given_back(redeemed: int, *, paid: Decimal, returned: Decimal) -> int:
    """Return how many of the points that paid for a purchase go back in all, once `returned` of `paid` was (rule 16)."""
    if returned >= paid:
        return redeemed
    return int((redeemed * returned / paid).to_integral_value(ROUND_FLOOR))
