"""Local days, and the months between them (rules 7 and 10)."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.points.programme import Expiry, Programme
from services.points.rules import dates
from shared.dates import is_ahead

BERLIN = ZoneInfo("Europe/Berlin")


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("earned_on", "months", "rounded_to", "last_day"),
    [
        ("2026-01-31", 12, "day", "2027-01-31"),
        ("2026-01-31", 1, "day", "2026-02-28"),
        ("2028-01-31", 1, "day", "2028-02-29"),
        ("2028-02-29", 12, "day", "2029-02-28"),
        ("2028-02-29", 48, "day", "2032-02-29"),
        ("2026-11-30", 3, "day", "2027-02-28"),
        ("2026-12-31", 2, "day", "2027-02-28"),
        ("2026-12-01", 1, "month", "2027-01-31"),
        ("2027-01-31", 1, "month", "2027-02-28"),
        ("2028-02-29", 12, "month", "2029-02-28"),
        ("2026-01-01", 12, "year", "2027-12-31"),
        ("2026-12-31", 1, "year", "2027-12-31"),
        ("2026-12-31", 1200, "day", "2126-12-31"),
    ],
)
def test_rule_10_the_last_day_of_points(earned_on: str, months: int, rounded_to: Any, last_day: str) -> None:
    expiry = Expiry(model="after_earning", months=months, rounded_to=rounded_to)
    assert dates.expires_on(day(earned_on), expiry) == day(last_day)


@pytest.mark.parametrize(
    ("last_day", "zone", "over_at"),
    [
        ("2026-11-23", "Europe/Berlin", "2026-11-23T23:00:00Z"),
        ("2026-03-28", "Europe/Berlin", "2026-03-28T23:00:00Z"),
        ("2026-03-29", "Europe/Berlin", "2026-03-29T22:00:00Z"),  # 23 hours long
        ("2026-10-25", "Europe/Berlin", "2026-10-25T23:00:00Z"),  # 25 hours
        ("2026-12-31", "Pacific/Kiritimati", "2026-12-31T10:00:00Z"),
        ("2018-11-03", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),  # the day after begins at 1 o'clock
        ("2018-02-17", "America/Sao_Paulo", "2018-02-18T03:00:00Z"),  # has its last hour twice
        ("2026-10-31", "America/Havana", "2026-11-01T04:00:00Z"),  # the day after has its first hour twice
        ("2011-12-29", "Pacific/Apia", "2011-12-30T10:00:00Z"),  # there was no 30 December
    ],
)
def test_rule_10_a_day_ends_where_the_next_begins(last_day: str, zone: str, over_at: str) -> None:
    assert dates.end_of(day(last_day), ZoneInfo(zone)) == dt.datetime.fromisoformat(over_at)


@given(
    instant=st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    zone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
def test_every_instant_lies_in_its_local_day_and_in_no_other(instant: dt.datetime, zone: str) -> None:
    local = instant.astimezone(ZoneInfo(zone)).date()
    assert dates.start_of(local, ZoneInfo(zone)) <= instant < dates.end_of(local, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("earned_on", "pending_days", "available_at"),
    [
        ("2026-11-23", 14, "2026-12-07T23:00:00Z"),
        ("2026-11-23", 1, "2026-11-24T23:00:00Z"),
        ("2026-03-15", 14, "2026-03-29T22:00:00Z"),
        ("2028-02-15", 14, "2028-02-29T23:00:00Z"),
    ],
)
def test_rule_7_points_wait_for_whole_days_after_that_of_the_purchase(
    earned_on: str, pending_days: int, available_at: str
) -> None:
    programme = Programme(time_zone="Europe/Berlin", pending_days=pending_days)
    assert dates.available_at(day(earned_on), programme) == dt.datetime.fromisoformat(available_at)


@given(
    earned_on=st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1)),
    months=st.integers(1, 3),
    early=st.integers(1, 5),
    rounded_to=st.sampled_from(["day", "month", "year"]),
)
def test_rule_7_points_of_a_valid_programme_can_be_spent_for_a_day_at_least(
    earned_on: dt.date, months: int, early: int, rounded_to: Any
) -> None:
    expiry = Expiry(model="after_earning", months=months, rounded_to=rounded_to)
    programme = Programme(time_zone="Europe/Berlin", pending_days=28 * months - early, expiry=expiry)
    ends = dates.end_of(dates.expires_on(earned_on, expiry), BERLIN)
    assert dates.available_at(earned_on, programme) <= ends - dt.timedelta(hours=23)


def test_rule_10_an_end_is_told_at_the_beginning_of_a_local_day() -> None:
    programme = Programme(time_zone="Europe/Berlin", expiry=Expiry(model="after_earning", announce_days=30))
    told = dates.announced_at(day("2026-04-20"), programme)
    assert told == dt.datetime.fromisoformat("2026-03-20T23:00:00Z")  # the clocks are put forward in between


@pytest.mark.parametrize(("hours", "ahead"), [(24, False), (24.0001, True), (-1000, False)])
def test_a_clock_may_be_a_day_ahead(hours: float, ahead: bool) -> None:  # noqa: FBT001 - a table
    received = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    assert is_ahead(received + dt.timedelta(hours=hours), received) is ahead
