"""Who names too many codes that do not exist is told nothing for a while, and nobody else is."""

import pytest

from shared.errors import ProblemError
from shared.guessing import Guesses


class Clock:
    """Seconds as a test says them."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def refused(guesses: Guesses, caller: str) -> str | None:
    """Return why a caller is refused, and after how many seconds they may try again."""
    try:
        guesses.refuse(caller)
    except ProblemError as error:
        return f"{error.problem.code} {(error.headers or {})['Retry-After']}"
    return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_few_slips_are_human(clock: Clock) -> None:
    guesses = Guesses(3, clock=clock)
    for _ in range(2):
        guesses.count("shop")
    assert refused(guesses, "shop") is None


def test_after_too_many_the_rest_of_the_minute_is_waited_for(clock: Clock) -> None:
    guesses = Guesses(3, clock=clock)
    for _ in range(3):
        guesses.count("shop")
        clock.now += 10
    assert refused(guesses, "shop") == "guesses-too-many 30"
    clock.now += 29.5
    assert refused(guesses, "shop") == "guesses-too-many 1"
    clock.now += 0.5
    assert refused(guesses, "shop") is None


def test_one_caller_does_not_lock_another_out(clock: Clock) -> None:
    guesses = Guesses(1, clock=clock)
    guesses.count("bot")
    assert (refused(guesses, "bot"), refused(guesses, "shop")) == ("guesses-too-many 60", None)


def test_slips_are_not_added_up_over_the_day(clock: Clock) -> None:
    guesses = Guesses(2, clock=clock)
    for _ in range(10):
        guesses.count("shop")
        assert refused(guesses, "shop") is None
        clock.now += 60
