"""Rule 30 as a table: what may be said now, what waits until when, and what never is."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.programme import FrequencyCap, Hours, Programme
from services.notifications.rules.consent import Consent, Proof, Standing
from services.notifications.rules.permission import ALLOWED, Message, Reach, Verdict, free_at, judge, loud_at

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
PROOF = Proof(NOON - 100 * DAY, "link", "newsletter/3")
GIVEN = Consent("given", PROOF, PROOF)
FULL = (NOON - 6 * DAY, NOON - 5 * DAY, NOON - DAY)
PROGRAMME = Programme()


def offer(happened: dt.timedelta = HOUR, until: dt.datetime | None = None) -> Message:
    return Message("offers", NOON - happened, until)


NECESSARY = Message("necessary", NOON - HOUR)


def reach(**more: Any) -> Reach:
    return Reach(**{"zone": BERLIN, "address": Standing(), "consent": GIVEN, **more})


def never(reason: Any) -> Verdict:
    return Verdict("suppressed", reason)


@pytest.mark.parametrize(
    ("message", "to", "verdict"),
    [
        (offer(), reach(), ALLOWED),
        (Message("account", NOON), reach(), ALLOWED),
        (offer(), reach(consent=None), never("consent-missing")),
        (Message("account", NOON), reach(consent=None), never("consent-missing")),
        (offer(), reach(consent=Consent("asked", PROOF)), never("consent-unconfirmed")),
        (offer(), reach(consent=GIVEN._replace(state="withdrawn", withdrawn=PROOF)), never("consent-withdrawn")),
        (offer(), reach(address=None), never("address-missing")),
        (offer(), reach(address=Standing(bounced_at=NOON)), never("address-bounced")),
        (offer(), reach(address=Standing(complained_at=NOON)), never("address-complained")),
        (offer(), reach(address=Standing(soft_bounces=4)), ALLOWED),
        (NECESSARY, reach(consent=None, promotional=FULL), ALLOWED),
        (NECESSARY, reach(address=Standing(complained_at=NOON)), ALLOWED),
        (NECESSARY, reach(address=Standing(bounced_at=NOON)), never("address-bounced")),
        (Message("necessary", NOON - 8 * DAY), reach(), never("too-old")),
        (offer(7 * DAY), reach(), ALLOWED),
        (offer(7.001 * DAY), reach(), never("too-old")),
        (offer(8 * DAY), reach(address=None, consent=None), never("too-old")),
        (offer(until=NOON), reach(), never("too-old")),
        (offer(), reach(promotional=FULL[1:]), ALLOWED),
        (offer(), reach(promotional=FULL), Verdict("later", "frequency-cap", NOON + DAY)),
        (offer(until=NOON + DAY), reach(promotional=FULL), never("frequency-cap")),
        (offer(6.5 * DAY), reach(promotional=FULL), never("frequency-cap")),
        (offer(), reach(promotional=FULL, consent=None), never("consent-missing")),
    ],
)
def test_what_may_be_said(message: Message, to: Reach, verdict: Verdict) -> None:
    assert judge(message, to, NOON, PROGRAMME) == verdict


@pytest.mark.parametrize(
    ("now", "zone", "verdict"),
    [
        ("2026-11-23T19:00:00+01:00", "Europe/Berlin", None),
        ("2026-11-23T20:00:00+01:00", "Europe/Berlin", "2026-11-24T08:00:00+01:00"),
        ("2026-11-24T07:59:00+01:00", "Europe/Berlin", "2026-11-24T08:00:00+01:00"),
        ("2026-11-24T08:00:00+01:00", "Europe/Berlin", None),
        ("2026-11-23T20:00:00+01:00", "America/New_York", None),
        ("2026-11-23T12:00:00+01:00", "Pacific/Auckland", "2026-11-24T08:00:00+13:00"),
        ("2026-03-28T23:00:00+01:00", "Europe/Berlin", "2026-03-29T08:00:00+02:00"),  # the night is an hour shorter
        ("2026-10-24T23:00:00+02:00", "Europe/Berlin", "2026-10-25T08:00:00+01:00"),  # and longer
    ],
)
def test_at_night_a_message_waits_for_the_customers_morning(now: str, zone: str, verdict: str | None) -> None:
    at = dt.datetime.fromisoformat(now)
    expected = Verdict("later", "quiet-hours", dt.datetime.fromisoformat(verdict)) if verdict else ALLOWED
    assert judge(Message("offers", at), reach(zone=ZoneInfo(zone)), at, PROGRAMME) == expected


def test_when_the_cap_would_allow_it_at_night_it_waits_for_the_morning() -> None:
    sent = [NOON - 7 * DAY + 10 * HOUR, NOON - 2 * DAY, NOON - DAY]
    morning = dt.datetime.fromisoformat("2026-11-24T08:00:00+01:00")
    assert judge(offer(), reach(promotional=sent), NOON, PROGRAMME) == Verdict("later", "frequency-cap", morning)


@given(
    hours=st.integers(0, 24 * 14),
    sent=st.lists(st.integers(0, 24 * 14), max_size=8),
    zone=st.sampled_from(["Europe/Berlin", "Pacific/Auckland", "America/Los_Angeles"]),
)
def test_what_waited_is_allowed_when_its_time_has_come(hours: int, sent: list[int], zone: str) -> None:
    now = NOON + hours * HOUR
    to = reach(zone=ZoneInfo(zone), promotional=[NOON + each * HOUR for each in sent if each <= hours])
    verdict = judge(Message("offers", now), to, now, PROGRAMME)
    if verdict.at is not None:
        assert now < verdict.at <= now + 7 * DAY
        assert judge(Message("offers", now), to, verdict.at, PROGRAMME) == ALLOWED


def test_a_shop_may_do_without_cap_and_quiet_hours() -> None:
    programme = Programme(frequency_cap=None, quiet_hours=None)
    night = NOON + 12 * HOUR
    assert judge(Message("offers", night), reach(promotional=FULL), night, programme) == ALLOWED


@given(
    wishes=st.lists(st.integers(0, 60), max_size=40),
    messages=st.integers(1, 5),
    days=st.integers(1, 14),
)
def test_no_stretch_of_days_ever_holds_more_than_the_cap(wishes: list[int], messages: int, days: int) -> None:
    cap, planned = FrequencyCap(messages=messages, days=days), list[dt.datetime]()
    for wish in sorted(wishes):
        planned.append(free_at(planned, cap, NOON + wish * DAY))
    for first in planned:
        assert sum(first <= each < first + days * DAY for each in planned) <= messages


TIMES = st.times().map(lambda time: f"{time:%H:%M}")


@given(
    at=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    zone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "America/Havana", "UTC"]),
    hours=st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1]),
)
def test_the_next_instant_is_never_before_and_never_quiet(at: dt.datetime, zone: str, hours: tuple[str, str]) -> None:
    quiet = Hours.model_validate({"from": hours[0], "until": hours[1]})
    loud = loud_at(at, quiet, ZoneInfo(zone))
    assert at <= loud <= at + 25 * HOUR
    assert not quiet.holds(loud.astimezone(ZoneInfo(zone)).time())


@pytest.mark.parametrize("hour", range(-3, 8))
@pytest.mark.parametrize("until", ["00:30", "02:15", "02:30", "03:00"])
@pytest.mark.parametrize("night", ["2026-03-29", "2026-10-25"])
def test_nights_on_which_the_clock_is_changed(hour: int, until: str, night: str) -> None:
    quiet = Hours.model_validate({"from": "22:00", "until": until})
    at = dt.datetime.fromisoformat(f"{night}T00:10:00Z") + hour * HOUR
    loud = loud_at(at, quiet, BERLIN)
    assert at <= loud
    assert not quiet.holds(loud.astimezone(BERLIN).time())
