"""Ranges of local days and how the calendar cuts them."""

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reports.questions import (
    MOST_PERIODS,
    Period,
    Question,
    QuestionError,
    distance,
    midnight,
    question,
    shifted,
    spans,
    start_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

days = st.dates(dt.date(1970, 1, 1), dt.date(2190, 1, 1))
periods: st.SearchStrategy[Period] = st.sampled_from(["month", "quarter", "year"])


def asked(first: str | None, end: str | None, period: Period = "month") -> Question:
    given = (None if each is None else dt.date.fromisoformat(each) for each in (first, end))
    return question(*given, period=period, zone=BERLIN, now=NOW)


def test_a_range_ends_with_today_and_has_twelve_periods_by_default() -> None:
    found = asked(None, None)
    assert (found.first, found.end) == (dt.date(2025, 12, 1), dt.date(2026, 11, 24))
    assert [span.label for span in found.spans[::11]] == ["2025-12", "2026-11"]


def test_a_range_that_begins_in_the_future_has_its_first_day() -> None:
    assert asked("2027-02-01", None).end == dt.date(2027, 2, 2)


@pytest.mark.parametrize(
    ("first", "end", "period", "labels"),
    [
        ("2026-01-31", "2026-02-01", "month", ["2026-01"]),
        ("2025-11-15", "2026-01-15", "quarter", ["2025-Q4", "2026-Q1"]),
        ("2024-12-31", "2026-01-01", "year", ["2024", "2025"]),
    ],
)
def test_periods_are_those_of_the_calendar(first: str, end: str, period: Period, labels: list[str]) -> None:
    assert [span.label for span in asked(first, end, period).spans] == labels


def test_a_period_that_the_range_cuts_or_that_runs_is_not_complete() -> None:
    found = asked("2026-09-02", "2026-12-01")
    assert [found.is_complete(span) for span in found.spans] == [False, True, False]


def test_days_begin_when_they_do_in_the_zone() -> None:
    winter_and_summer = asked("2026-03-01", "2026-05-01").bounds()
    assert [each.isoformat() for each in winter_and_summer] == [
        "2026-02-28T23:00:00+00:00",
        "2026-03-31T22:00:00+00:00",
        "2026-04-30T22:00:00+00:00",
    ]


def test_the_period_before_is_as_long_by_the_calendar() -> None:
    assert asked("2026-03-31", "2026-04-30").bounds_with_the_one_before()[0] == midnight(dt.date(2026, 2, 28), BERLIN)


@pytest.mark.parametrize(("first", "end"), [("2026-02-01", "2026-02-01"), ("2026-02-02", "2026-02-01")])
def test_a_range_of_no_day_is_refused(first: str, end: str) -> None:
    with pytest.raises(QuestionError) as refused:
        asked(first, end)
    assert refused.value.code == "range-empty"


def test_a_range_of_more_periods_than_bits_is_refused() -> None:
    assert len(asked("2020-01-01", "2025-01-01").spans) == MOST_PERIODS
    with pytest.raises(QuestionError) as refused:
        asked("2020-01-01", "2025-01-02")
    assert (refused.value.parameter, refused.value.code) == ("period", "range-too-long")


@given(first=days, length=st.integers(1, 4000), period=periods)
def test_spans_are_the_range_without_a_gap(first: dt.date, length: int, period: Period) -> None:
    end = first + dt.timedelta(days=length)
    found = list(spans(first, end, period))
    assert found[0].first == first
    assert found[-1].end == end
    assert all(one.end == next_.first == start_of(next_.first, period) for one, next_ in pairwise(found))
    assert len(found) == distance(first, end - dt.timedelta(days=1), period) + 1
    for span in found:
        whole = start_of(span.first, period), shifted(start_of(span.first, period), period, 1)
        assert span.is_cut == ((span.first, span.end) != whole)


@given(day=days, period=periods, count=st.integers(-50, 50))
def test_a_day_moves_by_periods_and_stays_in_its_month(day: dt.date, period: Period, count: int) -> None:
    moved = shifted(day, period, count)
    assert distance(min(day, moved), max(day, moved), period) == abs(count)
    assert moved.day == day.day or (moved + dt.timedelta(days=1)).day == 1
