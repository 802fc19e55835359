"""Rule 24 as a table: who may refer whom, what is held for staff, and which reason is said first."""

import datetime as dt
from typing import Any

import pytest

from services.referrals.programme import Programme
from services.referrals.rules.claims import Code, Counts, Friend, Person, Verdict, judge

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
REFERRER = Person("c-42", b"mail 42", b"phone 42", frozenset({"card 42", "card 1"}))
FRIEND = Person("c-43", b"mail 43", b"phone 43", frozenset({"card 43"}))
PROGRAMME = Programme.model_validate(
    {
        "claims_per_address": 3,
        "claims_per_referrer_and_day": 5,
        "rewards_per_referrer_and_month": 8,
        "valid_from": NOON.isoformat(),
    }
)
ACCEPTED = Verdict("claimed")


def held(reason: str) -> Verdict:
    return Verdict("review", reason)


def refused(reason: str) -> Verdict:
    return Verdict("rejected", reason)


def friend(person: Person = FRIEND, **more: Any) -> Friend:
    return Friend(person, **more)


def code(referrer: Person | None = REFERRER, **more: Any) -> Code:
    return Code(referrer, **more)


@pytest.mark.parametrize(
    ("who", "by", "counts", "verdict"),
    [
        (friend(), code(), Counts(), ACCEPTED),
        (friend(), None, Counts(), refused("code-unknown")),
        (friend(), code(is_retired=True), Counts(), refused("code-retired")),
        (friend(FRIEND._replace(customer_id="c-42")), code(), Counts(), refused("own-code")),
        (friend(FRIEND._replace(email_hash=b"mail 42")), code(), Counts(), refused("same-email")),
        (friend(FRIEND._replace(phone_hash=b"phone 42")), code(), Counts(), refused("same-phone")),
        (friend(FRIEND._replace(cards=frozenset({"card 1"}))), code(), Counts(), refused("same-card")),
        (friend(Person("c-43")), code(Person("c-42")), Counts(), ACCEPTED),
        (friend(is_referred=True), code(), Counts(), refused("referred-already")),
        (friend(first_purchase_at=NOON - SECOND), code(), Counts(), refused("bought-before")),
        (friend(first_purchase_at=NOON), code(), Counts(), ACCEPTED),
        (friend(first_purchase_at=NOON + SECOND), code(), Counts(), ACCEPTED),
        (friend(), code(referred_by=frozenset({"c-7", "c-43"})), Counts(), refused("circle")),
        (friend(), code(referred_by=frozenset({"c-7"})), Counts(), ACCEPTED),
        (friend(), code(), Counts(from_address=2), ACCEPTED),
        (friend(), code(), Counts(from_address=3), held("many-from-address")),
        (friend(), code(), Counts(within_day=4, within_month=7), ACCEPTED),
        (friend(), code(), Counts(within_day=5), held("velocity")),
        (friend(), code(), Counts(within_month=8), held("velocity")),
        (friend(), code(), Counts(3, 5, 8), held("many-from-address")),
    ],
)
def test_what_becomes_of_a_claim(who: Friend, by: Code | None, counts: Counts, verdict: Verdict) -> None:
    assert judge(who, by, NOON, counts, PROGRAMME) == verdict


@pytest.mark.parametrize(
    ("who", "by", "verdict"),
    [
        (friend(), code(None), ACCEPTED),
        (friend(), code(None, is_retired=True), refused("code-retired")),
        (friend(), code(None, is_open=False), refused("programme-closed")),
        (friend(is_referred=True), code(None), refused("referred-already")),
        (friend(first_purchase_at=NOON - SECOND), code(None), refused("bought-before")),
    ],
)
def test_a_partner_may_bring_many_of_whom_none_was_there_before(who: Friend, by: Code, verdict: Verdict) -> None:
    assert judge(who, by, NOON, Counts(within_day=1_000, within_month=1_000), PROGRAMME) == verdict


def test_claims_from_one_address_are_held_whoever_they_name() -> None:
    assert judge(friend(), code(None), NOON, Counts(from_address=3), PROGRAMME) == held("many-from-address")


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        ({"friend": None, "referrer": None}, refused("programme-closed")),
        ({"friend": None}, ACCEPTED),
        ({"valid_from": NOON.isoformat()}, ACCEPTED),
        ({"valid_from": (NOON + SECOND).isoformat()}, refused("programme-closed")),
        ({"valid_until": NOON.isoformat()}, refused("programme-closed")),
        ({"valid_until": (NOON + SECOND).isoformat()}, ACCEPTED),
    ],
)
def test_a_programme_takes_claims_while_it_gives_anything(document: dict[str, Any], verdict: Verdict) -> None:
    assert judge(friend(), code(), NOON, Counts(), Programme.model_validate(document)) == verdict


def test_without_limits_nothing_is_held() -> None:
    programme = Programme(
        claims_per_address=None, claims_per_referrer_and_day=None, rewards_per_referrer_and_month=None
    )
    assert judge(friend(), code(), NOON, Counts(10**6, 10**6, 10**6), programme) == ACCEPTED


def test_of_several_reasons_the_first_of_rule_24_is_said() -> None:
    before = NOON - SECOND
    who = friend(REFERRER, first_purchase_at=before, is_referred=True)
    by = code(referred_by=frozenset({"c-42", "c-43"}), is_retired=True)
    many = Counts(10, 10, 10)

    def reason(at: dt.datetime = NOON) -> str | None:
        return judge(who, by, at, many, PROGRAMME).reason

    said = [reason()]
    by = by._replace(is_retired=False)
    said += [reason(before), reason()]
    for change in (
        {"customer_id": "c-43"},
        {"email_hash": b"mail 43"},
        {"phone_hash": b"phone 43"},
        {"cards": frozenset[str]()},
    ):
        who = who._replace(person=who.person._replace(**change))
        said.append(reason())
    who = who._replace(is_referred=False)
    said.append(reason())
    who = who._replace(first_purchase_at=None)
    said.append(reason())
    assert said == [
        *("code-retired", "programme-closed", "own-code", "same-email", "same-phone", "same-card"),
        *("referred-already", "bought-before", "circle"),
    ]
