"""What a report is asked: a range of local days, cut into periods of the calendar, of one shop or currency or of all."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

Period = Literal["month", "quarter", "year"]

MONTHS: dict[Period, int] = {"month": 1, "quarter": 3, "year": 12}
MONTHS_A_YEAR = 12
MOST_PERIODS = 60
"""As many as fit, with what lies before and after them, into the bits of an integer: a set of periods."""
DEFAULT_PERIODS = 12

EARLIEST, LATEST = dt.date(1970, 1, 1), dt.date(2200, 1, 1)


class QuestionError(ValueError):
    """A range that can't be reported on; `parameter` and `code` say what is wrong."""

    def __init__(self, parameter: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter
        self.code = code


@dataclass(frozen=True, slots=True)
class Span:
    """Local days from `first` up to, and without, `end`; `is_cut` where that is less than the calendar's period."""

    first: dt.date
    end: dt.date
    label: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """Periods in the order of time, and what narrows the answer; `own` is what only some service's reports take."""

    spans: tuple[Span, ...]
    period: Period
    zone: ZoneInfo
    now: dt.datetime
    shop_id: str | None = None
    currency: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> dt.date:
        return self.spans[0].first

    @property
    def end(self) -> dt.date:
        return self.spans[-1].end

    @property
    def start(self) -> dt.datetime:
        """The instant at which the range begins."""
        return midnight(self.first, self.zone)

    @property
    def stop(self) -> dt.datetime:
        """The instant at which the range is over."""
        return midnight(self.end, self.zone)

    def bounds(self) -> list[dt.datetime]:
        """Return the instants at which the periods begin, and the one at which the last is over."""
        return [midnight(span.first, self.zone) for span in self.spans] + [self.stop]

    def bounds_with_the_one_before(self) -> list[dt.datetime]:
        """Return `bounds`, preceded by the beginning of the period before the first."""
        return [midnight(shifted(self.first, self.period, -1), self.zone), *self.bounds()]

    def days(self) -> list[dt.datetime]:
        """Return the instants at which the local days of the range begin."""
        return [midnight(self.day(number), self.zone) for number in range((self.end - self.first).days)]

    def day(self, number: int) -> dt.date:
        """Return a local day of the range, the first of which is 0."""
        return self.first + dt.timedelta(days=number)

    def is_complete(self, span: Span) -> bool:
        """Tell whether a period is over and asked for as a whole."""
        return not span.is_cut and midnight(span.end, self.zone) <= self.now


def question(
    first: dt.date | None, end: dt.date | None, *, period: Period, zone: ZoneInfo, now: dt.datetime
) -> Question:
    """Return the question of a range; by default it ends with today, and has 12 periods. Raises `QuestionError`."""
    if end is None:
        end = now.astimezone(zone).date() + dt.timedelta(days=1)
        end = end if first is None else max(end, first + dt.timedelta(days=1))
    last = end - dt.timedelta(days=1)
    if first is None:
        first = shifted(start_of(last, period), period, 1 - DEFAULT_PERIODS)
    if not EARLIEST <= first < end <= LATEST:
        raise QuestionError("from", "range-empty", "`from` must be before `to`, both between 1970 and 2200")
    if distance(first, last, period) >= MOST_PERIODS:
        raise QuestionError("period", "range-too-long", f"a range may have {MOST_PERIODS} periods; take longer ones")
    return Question(tuple(spans(first, end, period)), period, zone, now)


def spans(first: dt.date, end: dt.date, period: Period) -> Iterator[Span]:
    """Cut a range where the calendar's periods begin."""
    starts = [shifted(start_of(first, period), period, n) for n in range(distance(first, end, period) + 2)]
    for start, after in pairwise(starts):
        if start < end:
            cut = Span(max(start, first), min(after, end), label(start, period))
            yield cut if (cut.first, cut.end) == (start, after) else Span(cut.first, cut.end, cut.label, is_cut=True)


def start_of(day: dt.date, period: Period) -> dt.date:
    """Return the first day of the period that a day is in."""
    months = MONTHS[period]
    return dt.date(day.year, (day.month - 1) // months * months + 1, 1)


def shifted(day: dt.date, period: Period, count: int) -> dt.date:
    """Return the day `count` periods later; the last of a month where that one has no such day."""
    month = day.year * MONTHS_A_YEAR + day.month - 1 + count * MONTHS[period]
    first = dt.date(month // MONTHS_A_YEAR, month % MONTHS_A_YEAR + 1, 1)
    length = (dt.date((month + 1) // MONTHS_A_YEAR, (month + 1) % MONTHS_A_YEAR + 1, 1) - first).days
    return first.replace(day=min(day.day, length))


def distance(day: dt.date, later: dt.date, period: Period) -> int:
    """Return how many periods begin after `day` and not after `later`."""
    start, end = start_of(day, period), start_of(later, period)
    return ((end.year - start.year) * MONTHS_A_YEAR + end.month - start.month) // MONTHS[period]


def label(start: dt.date, period: Period) -> str:
    """Return the name of the period that begins with a day: `2026-11`, `2026-Q4`, `2026`."""
    match period:
        case "month":
            return f"{start:%Y-%m}"
        case "quarter":
            return f"{start:%Y}-Q{(start.month + 2) // 3}"
        case "year":
            return f"{start:%Y}"


def midnight(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the instant at which a local day begins."""
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)
