"""Attempts are spread over hours and end, a rate is kept, and who does not answer is left alone for a while."""

import datetime as dt

import pytest

from services.notifications.channels.message import Later, Outcome, Refused, Sent
from services.notifications.channels.pacing import CircuitBreaker, TokenBucket, next_attempt

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC)
MINUTES = {minutes: NOW + dt.timedelta(minutes=minutes) for minutes in (1, 2, 10, 30, 60, 75, 300, 375)}


@pytest.mark.parametrize(
    ("made", "chance", "not_before", "expected"),
    [
        (1, 0.0, None, MINUTES[1]),
        (1, 1.0, None, MINUTES[1] + dt.timedelta(seconds=15)),
        (2, 0.0, None, MINUTES[10]),
        (3, 0.0, None, MINUTES[60]),
        (3, 1.0, None, MINUTES[75]),
        (4, 0.0, None, MINUTES[300]),
        (4, 1.0, None, MINUTES[375]),
        (5, 0.0, None, None),
        (6, 0.0, None, None),
        (1, 0.0, MINUTES[30], MINUTES[30]),
        (1, 1.0, MINUTES[30], MINUTES[30] + dt.timedelta(seconds=15)),
        (2, 0.0, MINUTES[2], MINUTES[10]),
        (1, 0.0, NOW - dt.timedelta(days=1), MINUTES[1]),
        (5, 0.0, MINUTES[30], None),
    ],
)
def test_the_next_attempt_is_never_early_and_not_much_late(
    made: int, chance: float, not_before: dt.datetime | None, expected: dt.datetime | None
) -> None:
    assert next_attempt(made, now=NOW, chance=chance, not_before=not_before) == expected


class Watch:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("steps", "waits"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0.5]),
        ([0, 0, 0, 0.5, 0], [0, 0, 0, 0, 0.5]),
        ([0, 0, 0, 0.25, 0.25], [0, 0, 0, 0.25, 0]),
        ([3600, 0, 0, 0], [0, 0, 0, 0.5]),
    ],
)
def test_a_rate_is_kept_and_a_silence_gives_no_more_than_a_burst(steps: list[float], waits: list[float]) -> None:
    watch = Watch()
    bucket = TokenBucket(per_second=2, burst=3, clock=watch)
    taken = []
    for step in steps:
        watch.seconds += step
        taken.append(bucket.take())
    assert taken == waits


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_that_lets_nothing_through_is_an_error(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="let something through"):
        TokenBucket(per_second, burst, clock=Watch())


AWAY = Later("does not answer", away=True)
GREYLISTED = Later("450 greylisted")
SENT = Sent("ok")
REFUSED = Refused("550 no such user", gone=True)
NO_ADDRESS = Refused("is no mail address", gone=True, asked=False)


@pytest.mark.parametrize(
    ("outcomes", "wait"),
    [
        ([], 0),
        ([AWAY, AWAY], 0),
        ([AWAY, AWAY, AWAY], 60),
        ([AWAY, AWAY, SENT, AWAY], 0),
        ([AWAY, AWAY, REFUSED, AWAY], 0),
        ([AWAY, AWAY, NO_ADDRESS, AWAY], 60),
        ([GREYLISTED] * 10, 0),
        ([AWAY, AWAY, AWAY, SENT], 0),
    ],
)
def test_a_channel_is_shut_after_failures_one_after_the_other(outcomes: list[Outcome], wait: float) -> None:
    breaker = CircuitBreaker(failures=3, pause_seconds=60, clock=Watch())
    for outcome in outcomes:
        breaker.learn(outcome)
    assert breaker.wait() == wait


@pytest.mark.parametrize(
    ("found", "waits"),
    [
        (SENT, [0, 0]),
        (AWAY, [60, 60]),
        (NO_ADDRESS, [60, 60]),
        (None, [60, 60]),
    ],
)
def test_after_a_pause_one_message_tries_and_what_it_finds_counts(found: Outcome | None, waits: list[float]) -> None:
    watch = Watch()
    breaker = CircuitBreaker(failures=1, pause_seconds=60, clock=watch)
    breaker.learn(AWAY)
    watch.seconds += 59
    assert breaker.wait() == 1
    watch.seconds += 1
    assert [breaker.wait(), breaker.wait()] == [0, 60]
    if found is not None:
        breaker.learn(found)
    assert [breaker.wait(), breaker.wait()] == waits


def test_a_message_that_tried_and_never_came_back_is_followed_by_another() -> None:
    watch = Watch()
    breaker = CircuitBreaker(failures=1, pause_seconds=60, clock=watch)
    breaker.learn(AWAY)
    watch.seconds += 60
    assert breaker.wait() == 0
    watch.seconds += 60
    assert breaker.wait() == 0
