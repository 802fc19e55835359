"""The arithmetic of breakage to come: what share of points that are still open was used or expired at each age, in the past.

Cohorts are the points issued in one month; an age is a month since then, that of the issue is 0. As a chain ladder does,
every age has its development factors, over all cohorts that have lived through it; here they are shares of what was
open when the age began. What is open now goes through the ages to come, and loses at each what earlier cohorts lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

FEWEST_COHORTS = 3
"""So many cohorts must have lived through an age before it counts as known."""
MOST_UNDECIDED = Decimal("0.05")
"""No estimate where a larger part would come to ages that are not known: of what a cohort was, of what is open in all."""
HELD_OUT_MONTHS = 6


@dataclass(frozen=True, slots=True)
class Age:
    """What became of a cohort's points in one month: used, clawed back, expired."""

    used: int = 0
    clawed_back: int = 0
    expired: int = 0

    @property
    def gone(self) -> int:
        return self.used + self.clawed_back + self.expired


@dataclass(frozen=True, slots=True)
class Cohort:
    """Points issued in a month, and each whole month since then."""

    issued: int
    ages: Sequence[Age]

    @property
    def open(self) -> int:
        return self.open_at(len(self.ages))

    @property
    def used(self) -> int:
        return sum(age.used for age in self.ages)

    @property
    def clawed_back(self) -> int:
        return sum(age.clawed_back for age in self.ages)

    @property
    def expired(self) -> int:
        return sum(age.expired for age in self.ages)

    def open_at(self, age: int) -> int:
        """Return what was there when an age began."""
        return self.issued - sum(each.gone for each in self.ages[:age])

    def before(self, months: int) -> "Cohort":
        """Return the cohort as it was known so many months ago."""
        return Cohort(self.issued, self.ages[: max(0, len(self.ages) - months)])


@dataclass(frozen=True, slots=True)
class Share:
    """What part of the points that are open when an age begins expires in it, and what part goes in any way."""

    expired: Decimal
    gone: Decimal


@dataclass(frozen=True, slots=True)
class Outlook:
    """What will expire of open points, and what comes to ages of which nothing is known."""

    expires: Decimal
    undecided: Decimal


@dataclass(frozen=True, slots=True)
class Trial:
    """What a fit without the last months foretold of them, and what happened."""

    predicted: int
    actual: int

    @property
    def error(self) -> int:
        return self.predicted - self.actual


def shares(cohorts: Sequence[Cohort]) -> list[Share | None]:
    """Return the shares of each age that any cohort has lived through; none where too few have."""
    oldest = max((len(cohort.ages) for cohort in cohorts), default=0)
    return [_share(cohorts, age) for age in range(oldest)]


def _share(cohorts: Sequence[Cohort], age: int) -> Share | None:
    lived = [cohort for cohort in cohorts if len(cohort.ages) > age and cohort.open_at(age) > 0]
    if len(lived) < FEWEST_COHORTS:
        return None
    open_ = sum(cohort.open_at(age) for cohort in lived)
    expired, gone = (sum(getattr(cohort.ages[age], name) for cohort in lived) for name in ("expired", "gone"))
    return Share(Decimal(expired) / open_, Decimal(gone) / open_)


def outlook(open_: int, age: int, known: Sequence[Share | None], *, months: int | None = None) -> Outlook:
    """Return what becomes of points that are open when an age begins, to their end or for so many months."""
    left, expires = Decimal(open_), Decimal(0)
    last = len(known) if months is None else age + months
    for place in range(age, last):
        share = known[place] if place < len(known) else None
        if share is None:
            return Outlook(expires, left)
        expires += left * share.expired
        left -= left * share.gone
    return Outlook(expires, left if months is None else Decimal(0))


def to_come(cohort: Cohort, known: Sequence[Share | None]) -> int | None:
    """Return how many of a cohort's open points will expire; none where history doesn't tell."""
    found = outlook(cohort.open, len(cohort.ages), known)
    return round(found.expires) if is_decided(found, of=cohort.issued) else None


def whole(cohorts: Sequence[Cohort], known: Sequence[Share | None]) -> Outlook:
    """Return what becomes of all points that are open."""
    return _sum([outlook(cohort.open, len(cohort.ages), known) for cohort in cohorts])


def trial(cohorts: Sequence[Cohort], months: int = HELD_OUT_MONTHS) -> Trial | None:
    """Fit on all but the last months, and foretell what expires in them, also of cohorts issued meanwhile."""
    earlier = [cohort.before(months) for cohort in cohorts]
    known = shares(earlier)
    found = _sum(
        [
            outlook(then.open, len(then.ages), known, months=len(cohort.ages) - len(then.ages))
            for cohort, then in zip(cohorts, earlier, strict=True)
        ]
    )
    if not known or not is_decided(found, of=sum(then.open for then in earlier)):
        return None
    return Trial(round(found.expires), sum(age.expired for cohort in cohorts for age in cohort.ages[-months:]))


def is_decided(found: Outlook, *, of: int) -> bool:
    """Tell whether so little is undecided that what expires can be told."""
    return abs(found.undecided) <= MOST_UNDECIDED * of


def _sum(found: Sequence[Outlook]) -> Outlook:
    expires, undecided = (sum((getattr(each, name) for each in found), Decimal(0)) for name in ("expires", "undecided"))
    return Outlook(expires, undecided)
