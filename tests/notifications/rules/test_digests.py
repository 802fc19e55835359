"""News waits for the next digest, by the customer's clock."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.notifications.programme import Digest
from services.notifications.rules.digests import next_at


@pytest.mark.parametrize(
    ("every", "happened", "zone", "told"),
    [
        ("day", "2026-11-23T08:59:00Z", "Europe/Berlin", "2026-11-23T09:00:00Z"),
        ("day", "2026-11-23T09:00:00Z", "Europe/Berlin", "2026-11-24T09:00:00Z"),
        ("day", "2026-03-28T12:00:00Z", "Europe/Berlin", "2026-03-29T08:00:00Z"),  # clocks put forward
        ("week", "2026-11-23T08:59:00Z", "Europe/Berlin", "2026-11-23T09:00:00Z"),  # a Monday
        ("week", "2026-11-23T09:00:00Z", "Europe/Berlin", "2026-11-30T09:00:00Z"),
        ("week", "2026-11-29T22:00:00Z", "Pacific/Auckland", "2026-12-06T21:00:00Z"),
        ("month", "2026-11-23T12:00:00Z", "Europe/Berlin", "2026-12-01T09:00:00Z"),
        ("month", "2026-12-01T09:00:00Z", "Europe/Berlin", "2027-01-01T09:00:00Z"),
    ],
)
def test_the_next_digest(every: Any, happened: str, zone: str, told: str) -> None:
    terms = Digest(template="points_digest", every=every, at="10:00")
    assert next_at(terms, dt.datetime.fromisoformat(happened), ZoneInfo(zone)) == dt.datetime.fromisoformat(told)
