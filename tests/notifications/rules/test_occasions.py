"""When an occasion is due: tables for rules 28 and 29, and what holds for every day of every year."""

import datetime as dt
from collections import Counter
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.programme import Anniversary, Campaign
from services.notifications.rules.occasions import Due, Kept, Last, anniversary, campaign, place_of

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = "2020-01-01"
ZONES = ["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles", "Pacific/Kiritimati", "UTC"]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def birthday(**more: Any) -> Anniversary:
    document = {"kind": "anniversary", "of": "birthday", "name": "birthday", "template": "birthday", **more}
    return Anniversary.model_validate(document)


def christmas(**more: Any) -> Campaign:
    document = {"kind": "campaign", "name": "christmas", "template": "christmas", "begins": "12-04", "days": 12, **more}
    return Campaign.model_validate(document)


def due(
    born: str,
    now: str,
    *,
    entered: str = LONG_AGO,
    last: str | None = None,
    zone: str = "Europe/Berlin",
    terms: Anniversary | None = None,
) -> str:
    before = None if last is None else Last(day(last).year, day(last))
    found = anniversary(terms or birthday(), Kept(day(born), day(entered)), before, instant(now), ZoneInfo(zone))
    assert found is not None
    return found.day.isoformat()


@pytest.mark.parametrize(
    ("now", "kept_on"),
    [
        ("2026-05-16T12:00:00Z", "2026-05-17"),
        ("2026-05-17T12:00:00Z", "2026-05-17"),
        ("2026-05-24T12:00:00Z", "2026-05-17"),  # a week late
        ("2026-05-25T12:00:00Z", "2027-05-17"),
    ],
)
def test_a_birthday_is_caught_up_for_a_week(now: str, kept_on: str) -> None:
    assert due("1990-05-17", now) == kept_on


@pytest.mark.parametrize(
    ("now", "leap_day", "kept_on"),
    [
        ("2026-02-01T12:00:00Z", "february-28", "2026-02-28"),
        ("2026-02-01T12:00:00Z", "march-1", "2026-03-01"),
        ("2028-02-01T12:00:00Z", "february-28", "2028-02-29"),
        ("2028-02-01T12:00:00Z", "march-1", "2028-02-29"),
        ("2100-02-01T12:00:00Z", "february-28", "2100-02-28"),
        ("2000-02-01T12:00:00Z", "february-28", "2000-02-29"),
    ],
)
def test_29_february_is_kept_in_common_years_too(now: str, leap_day: str, kept_on: str) -> None:
    terms = birthday(leap_day=leap_day)
    assert due("1992-02-29", now, entered="1999-01-01", terms=terms) == kept_on


@pytest.mark.parametrize(
    ("last", "now", "kept_on"),
    [
        ("2026-05-17", "2026-05-17T12:00:00Z", "2027-05-17"),
        ("2025-05-17", "2026-05-17T12:00:00Z", "2026-05-17"),
        ("2026-01-10", "2026-05-17T12:00:00Z", "2027-05-17"),  # the date was moved: once a year
        ("2025-12-10", "2026-05-17T12:00:00Z", "2027-05-17"),  # another year, yet too near
        ("2025-06-21", "2026-05-17T12:00:00Z", "2026-05-17"),  # 330 days
        ("2025-06-22", "2026-05-17T12:00:00Z", "2027-05-17"),  # 329
    ],
)
def test_once_a_year_and_330_days_apart(last: str, now: str, kept_on: str) -> None:
    assert due("1990-05-17", now, last=last) == kept_on


@pytest.mark.parametrize(
    ("entered", "now", "kept_on"),
    [
        ("2026-04-17", "2026-05-17T12:00:00Z", "2026-05-17"),  # 30 days ahead
        ("2026-04-18", "2026-05-17T12:00:00Z", "2027-05-17"),  # 29
        ("2026-05-17", "2026-05-17T12:00:00Z", "2027-05-17"),
        ("2026-05-19", "2026-05-20T12:00:00Z", "2027-05-17"),  # just missed, and not caught up
    ],
)
def test_a_birthday_entered_late_counts_from_next_year_on(entered: str, now: str, kept_on: str) -> None:
    assert due("1990-05-17", now, entered=entered) == kept_on


@pytest.mark.parametrize(
    ("born", "now", "zone", "kept_on"),
    [
        ("1990-12-30", "2027-01-02T12:00:00Z", "Europe/Berlin", "2026-12-30"),
        ("1990-12-30", "2027-01-07T12:00:00Z", "Europe/Berlin", "2027-12-30"),
        ("1990-01-01", "2026-12-31T10:30:00Z", "Pacific/Kiritimati", "2027-01-01"),
        ("1990-12-31", "2027-01-01T07:00:00Z", "America/Los_Angeles", "2026-12-31"),
    ],
)
def test_a_years_end_is_no_end(born: str, now: str, zone: str, kept_on: str) -> None:
    assert due(born, now, zone=zone) == kept_on


@pytest.mark.parametrize(
    ("born", "now", "zone", "at"),
    [
        ("1990-03-28", "2026-03-01T00:00:00Z", "Europe/Berlin", "2026-03-28T08:00:00Z"),
        ("1990-03-29", "2026-03-01T00:00:00Z", "Europe/Berlin", "2026-03-29T07:00:00Z"),  # clocks put forward
        ("1990-10-25", "2026-10-01T00:00:00Z", "Europe/Berlin", "2026-10-25T08:00:00Z"),  # and back
        ("1990-05-17", "2026-05-01T00:00:00Z", "Pacific/Auckland", "2026-05-16T21:00:00Z"),
        ("1990-05-17", "2026-05-01T00:00:00Z", "America/Los_Angeles", "2026-05-17T16:00:00Z"),
    ],
)
def test_a_birthday_begins_in_the_morning_of_where_the_customer_is(born: str, now: str, zone: str, at: str) -> None:
    found = anniversary(birthday(), Kept(day(born), day(LONG_AGO)), None, instant(now), ZoneInfo(zone))
    assert found is not None
    assert found.at == instant(at)


def test_it_can_be_said_ahead_of_the_day() -> None:
    terms = birthday(days_ahead=10)
    found = anniversary(terms, Kept(day("1990-01-05"), day(LONG_AGO)), None, instant("2026-12-26T12:00:00Z"), BERLIN)
    until = instant("2027-01-02T23:00:00Z")
    assert found == Due(2027, day("2027-01-05"), instant("2026-12-26T08:00:00Z"), until)


def test_the_day_of_joining_is_no_anniversary_yet() -> None:
    terms = birthday(of="joining", notice_days=0)
    assert due("2026-05-17", "2026-05-17T12:00:00Z", entered="2026-05-17", terms=terms) == "2027-05-17"


@given(
    born=st.dates(dt.date(1930, 1, 1), dt.date(2010, 12, 31)),
    start=st.datetimes(dt.datetime(2021, 1, 1), dt.datetime(2060, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    pauses=st.lists(st.integers(1, 400), max_size=20),
    moves=st.lists(st.dates(dt.date(1930, 1, 1), dt.date(2010, 12, 31)), max_size=3),
    zone=st.sampled_from(ZONES),
)
def test_whatever_is_late_or_moved_no_two_birthdays_are_near(
    born: dt.date, start: dt.datetime, pauses: list[int], moves: list[dt.date], zone: str
) -> None:
    """A job that runs after these pauses gives what is due; the customer moves their birthday now and then."""
    now, kept, given_on = start, Kept(born, dt.date(2020, 1, 1)), list[Last]()
    for place, pause in enumerate(pauses):
        now += dt.timedelta(days=pause)
        if place % 5 == 0 and moves:
            kept = Kept(moves.pop(), now.astimezone(ZoneInfo(zone)).date())
        found = anniversary(birthday(), kept, given_on[-1] if given_on else None, now, ZoneInfo(zone))
        assert found is not None
        if found.at <= now:
            assert now < found.until
            given_on.append(Last(found.season, found.day))
    days = [each.day for each in given_on]
    assert all(later - earlier >= dt.timedelta(days=330) for earlier, later in pairwise(days))
    assert len({each.season for each in given_on}) == len(given_on)


# Campaigns


def told(now: str, *, last: int | None = None, customer_id: str = "c-42", **more: Any) -> Due | None:
    before = None if last is None else Last(last, dt.date(last, 12, 4))
    return campaign(christmas(**more), customer_id, before, instant(now), BERLIN)


def test_every_customer_has_a_place_of_their_own_in_the_window() -> None:
    terms, customers = christmas(), 12_000
    found = [campaign(terms, f"c-{each}", None, instant("2026-11-01T00:00:00Z"), BERLIN) for each in range(customers)]
    days = Counter(each.day for each in found if each)
    assert sorted(days) == [dt.date(2026, 12, 4) + dt.timedelta(days=each) for each in range(12)]
    assert all(850 < count < 1_150 for count in days.values())


def test_a_place_is_the_same_in_every_run_and_another_each_year() -> None:
    assert place_of("c-42", "christmas", 2026) == 47103948214111763
    assert place_of("c-42", "christmas", 2027) != place_of("c-42", "christmas", 2026)
    assert told("2026-11-01T00:00:00Z") == told("2026-12-08T00:00:00Z")


@pytest.mark.parametrize(
    ("now", "last", "season"),
    [
        ("2026-11-01T12:00:00Z", None, 2026),
        ("2026-12-15T12:00:00Z", None, 2026),
        ("2026-12-20T12:00:00Z", None, 2026),  # five days after the window
        ("2026-12-21T12:00:00Z", None, 2027),
        ("2026-11-01T12:00:00Z", 2025, 2026),
        ("2026-12-10T12:00:00Z", 2026, 2027),
        ("2027-01-02T12:00:00Z", None, 2027),
    ],
)
def test_a_season_is_caught_up_while_it_means_anything_and_given_once(now: str, last: int | None, season: int) -> None:
    found = told(now, last=last, catch_up_days=5)
    assert found is not None
    assert found.season == season
    assert instant(now) < found.until


@pytest.mark.parametrize(
    ("now", "season"), [("2026-12-31T12:00:00Z", 2026), ("2027-01-06T12:00:00Z", 2026), ("2027-01-07T12:00:00Z", 2027)]
)
def test_a_window_over_a_years_end_belongs_to_the_year_it_begins_in(now: str, season: int) -> None:
    found = told(now, begins="12-28", days=10, catch_up_days=0)
    assert found is not None
    assert found.season == season


def test_a_campaign_of_one_year_comes_once() -> None:
    assert told("2026-12-30T12:00:00Z", year=2026) is None
    assert told("2026-12-10T12:00:00Z", year=2026, last=2026) is None
    found = told("2025-12-10T12:00:00Z", year=2026)
    assert found is not None
    assert found.season == 2026


@given(customer_id=st.text(min_size=1, max_size=20), zone=st.sampled_from(ZONES), days=st.integers(1, 180))
def test_a_place_lies_in_the_window_and_its_hours(customer_id: str, zone: str, days: int) -> None:
    found = campaign(christmas(days=days), customer_id, None, instant("2026-11-01T00:00:00Z"), ZoneInfo(zone))
    assert found is not None
    local = found.at.astimezone(ZoneInfo(zone))
    assert local.date() == found.day
    assert dt.time(9) <= local.time() < dt.time(18)
    assert dt.date(2026, 12, 4) <= found.day < dt.date(2026, 12, 4) + dt.timedelta(days=days)
