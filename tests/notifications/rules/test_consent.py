"""Consents with their proofs, in whatever order they are heard, and addresses that mail comes back from."""

import datetime as dt
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.rules.consent import (
    Consent,
    Proof,
    Refused,
    Standing,
    ask,
    bounced,
    complained,
    confirm,
    delivered,
    withdraw,
)

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def proof(days: float, how: str = "form") -> Proof:
    return Proof(NOON + days * DAY, how, "newsletter/3")


def asked(days: float = 0) -> Consent:
    return ask(None, proof(days), is_confirmed_later=True)


def given_twice() -> Consent:
    found = confirm(asked(), proof(1, "link"), within_days=14)
    assert isinstance(found, Consent)
    return found


def test_a_yes_is_a_question_until_the_link_was_followed() -> None:
    assert asked() == Consent("asked", proof(0))
    assert given_twice() == Consent("given", proof(0), proof(1, "link"))


def test_a_yes_counts_at_once_where_no_link_can_be_sent() -> None:
    assert ask(None, proof(0, "till"), is_confirmed_later=False) == Consent("given", proof(0, "till"))


@pytest.mark.parametrize(
    ("before", "days", "reason"),
    [
        (None, 1, "consent-not-asked"),
        (withdraw(asked(), proof(1)), 2, "consent-not-asked"),
        (withdraw(None, proof(1)), 2, "consent-not-asked"),
        (asked(), 14.001, "confirmation-late"),
    ],
)
def test_what_can_not_be_confirmed(before: Consent | None, days: float, reason: str) -> None:
    found = confirm(before, proof(days), within_days=14)
    assert isinstance(found, Refused)
    assert found.reason == reason


def test_a_link_followed_again_keeps_the_first_proof() -> None:
    assert confirm(given_twice(), proof(30), within_days=14) == given_twice()


def test_to_ask_again_takes_nothing_back() -> None:
    assert ask(given_twice(), proof(5), is_confirmed_later=True) == given_twice()


def test_a_question_asked_again_waits_anew() -> None:
    again = ask(asked(), proof(10), is_confirmed_later=True)
    assert isinstance(confirm(again, proof(20), within_days=14), Consent)


def test_a_no_ends_it_and_keeps_what_was_proven() -> None:
    ended = withdraw(given_twice(), proof(3, "one-click"))
    assert ended == given_twice()._replace(state="withdrawn", withdrawn=proof(3, "one-click"))
    assert withdraw(ended, proof(3, "again")) == ended


@pytest.mark.parametrize(("days", "state"), [(3, "withdrawn"), (3.001, "asked")])
def test_after_a_no_only_a_later_yes_is_one(days: float, state: str) -> None:
    ended = withdraw(given_twice(), proof(3))
    assert ask(ended, proof(days), is_confirmed_later=True).state == state


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), min_size=1, max_size=4, unique_by=lambda each: each[1]))
def test_the_last_word_counts_in_whatever_order_they_are_heard(words: list[tuple[bool, int]]) -> None:
    states = set()
    for order in permutations(words):
        consent: Consent | None = None
        for is_yes, days in order:
            said = proof(days)
            consent = ask(consent, said, is_confirmed_later=False) if is_yes else withdraw(consent, said)
        assert consent is not None
        states.add(consent.state)
    is_yes, _ = max(words, key=lambda word: word[1])
    assert states == {"given" if is_yes else "withdrawn"}


# Addresses


def test_a_bounce_that_is_final_ends_an_address() -> None:
    assert bounced(Standing(), NOON, is_final=True, most=5).bounced_at == NOON


@pytest.mark.parametrize(("delivered_after", "ends"), [(None, True), (2, False), (5, True)])
def test_so_many_in_a_row_are_as_one_that_is_final(delivered_after: int | None, ends: bool) -> None:  # noqa: FBT001 - a table
    standing = Standing()
    for count in range(1, 6):
        standing = bounced(standing, NOON + count * DAY, is_final=False, most=5)
        if count == delivered_after:
            standing = delivered(standing)
    assert (standing.bounced_at is not None) is ends


def test_the_first_bounce_and_complaint_are_remembered() -> None:
    standing = complained(bounced(Standing(), NOON, is_final=True, most=5), NOON)
    later = complained(bounced(standing, NOON + DAY, is_final=True, most=5), NOON + DAY)
    assert later == standing
