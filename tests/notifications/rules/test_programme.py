"""What can't be said of one field of a notifications programme alone: each fault with the place it lies in."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.notifications.programme import OCCASIONS, Messages, Programme, faults, purpose

CHF = {"kind": "coupon", "coupon": {"value": {"kind": "money_voucher", "amount": "5", "currency": "CHF"}}}
BIRTHDAY = {"kind": "anniversary", "name": "birthday", "of": "birthday", "template": "birthday"}
CHRISTMAS = {"kind": "campaign", "name": "christmas", "template": "christmas", "begins": "12-04"}


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in faults(Programme.model_validate(document))}


def test_the_programme_of_the_beginning_has_no_faults_and_survives_json() -> None:
    assert faults(Programme()) == []
    as_json = Programme().model_dump_json(by_alias=True)
    assert Programme.model_validate_json(as_json) == Programme()


def test_it_keeps_birthday_christmas_appreciation_day_and_anniversary() -> None:
    assert [each.name for each in OCCASIONS] == ["birthday", "christmas", "appreciation-day", "anniversary"]


def test_every_fault_is_found_at_once() -> None:
    document = {
        "quiet_hours": {"from": "08:00", "until": "08:00"},
        "occasions": [
            BIRTHDAY,
            {**CHRISTMAS, "name": "birthday", "benefit": CHF},
            {**CHRISTMAS, "hours": {"from": "18:00", "until": "09:00"}, "begins": "02-29"},
        ],
    }
    assert found(document) == {
        ("/quiet_hours/until", "hours-empty"),
        ("/occasions/1/name", "name-taken"),
        ("/occasions/1/benefit/coupon/value/currency", "currency-differs"),
        ("/occasions/2/hours/until", "hours-empty"),
        ("/occasions/2/begins", "day-missing"),
    }


def test_an_occasion_can_not_begin_in_quiet_hours() -> None:
    document = {"occasions": [{**BIRTHDAY, "hours": {"from": "06:00", "until": "18:00"}}]}
    assert found(document) == {("/occasions/0/hours/from", "hours-quiet")}


def test_a_campaign_of_a_leap_year_may_begin_on_its_day() -> None:
    assert found({"occasions": [{**CHRISTMAS, "begins": "02-29", "year": 2028}]}) == set()
    assert found({"occasions": [{**CHRISTMAS, "begins": "02-29", "year": 2027}]}) == {
        ("/occasions/0/begins", "day-missing")
    }


def test_the_end_of_points_is_necessary_and_nothing_else_is() -> None:
    assert {each: purpose(each) for each in Messages.model_fields} == {
        "welcome": "account",
        "points_digest": "account",
        "points_expiring": "necessary",
        "tier_reached": "account",
        "tier_dropping": "account",
        "referral_rewarded": "account",
        "pair_waiting": "offers",
        "coupon_expiring": "offers",
        "confirm_consent": "necessary",
    }


@pytest.mark.parametrize(
    "document",
    [
        {"occasions": [{**CHRISTMAS, "begins": "13-01"}]},
        {"occasions": [{**CHRISTMAS, "begins": "02-30"}]},
        {"occasions": [{**CHRISTMAS, "days": 0}]},
        {"occasions": [{**BIRTHDAY, "of": "wedding"}]},
        {"occasions": [{**BIRTHDAY, "kind": "other"}]},
        {"occasions": [{**BIRTHDAY, "window": 3}]},
        {"occasions": [{**BIRTHDAY, "benefit": {"kind": "points", "points": 0}}]},
        {"quiet_hours": {"from": "24:00", "until": "08:00"}},
        {"messages": {"hello": {"template": "hello"}}},
        {"time_zone": "Europe/Entenhausen"},
    ],
)
def test_what_nobody_knows_or_what_can_not_be_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Programme.model_validate(document)


def test_a_message_can_be_switched_off_alone() -> None:
    programme = Programme.model_validate({"messages": {"welcome": {"template": "welcome", "enabled": False}}})
    assert not programme.messages.welcome.enabled
    assert programme.messages.points_digest.enabled


def test_a_date_of_the_customers_own_has_a_name() -> None:
    assert found({"occasions": [{**BIRTHDAY, "of": "own:wedding"}]}) == set()


def test_where_consents_are_confirmed_the_question_is_asked() -> None:
    off = {"messages": {"confirm_consent": {"template": "confirm_consent", "enabled": False}}}
    assert found(off) == {("/messages/confirm_consent/enabled", "confirmation-off")}
    assert found(off | {"double_opt_in": []}) == set()
