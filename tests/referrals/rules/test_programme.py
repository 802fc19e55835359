"""What can't be said of one field of a referral programme alone: each fault with the place it lies in."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.referrals.programme import Programme, faults

CHF = {"kind": "coupon", "coupon": {"value": {"kind": "money_voucher", "amount": "5", "currency": "CHF"}}}
POINTS = {"kind": "points", "points": 10}
TEXT = {"subject": "Hello", "body": "{code}", "chat": "{link}"}


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in faults(Programme.model_validate(document))}


def test_the_programme_of_the_beginning_has_no_faults_and_survives_json() -> None:
    assert faults(Programme()) == []
    assert Programme.model_validate_json(Programme().model_dump_json()) == Programme()


def test_every_fault_is_found_at_once() -> None:
    document = {
        "valid_from": "2026-01-02T00:00:00Z",
        "valid_until": "2026-01-01T00:00:00Z",
        "friend": CHF,
        "referrer": CHF,
        "ladder": [{"count": 5, "benefit": POINTS}, {"count": 5, "benefit": CHF}, {"count": 3, "benefit": POINTS}],
        "link": "https://shop.example/{kode}",
        "default_language": "de",
        "texts": {"fr": {"subject": "{link}", "body": "Bonjour", "chat": "{code} {name}"}},
    }
    assert found(document) == {
        ("/valid_until", "window-empty"),
        ("/friend/coupon/value/currency", "currency-differs"),
        ("/referrer/coupon/value/currency", "currency-differs"),
        ("/ladder/1/benefit/coupon/value/currency", "currency-differs"),
        ("/ladder/1/count", "ladder-out-of-order"),
        ("/ladder/2/count", "ladder-out-of-order"),
        ("/link", "code-missing"),
        ("/link", "placeholder-unknown"),
        ("/default_language", "language-missing"),
        ("/texts/fr/subject", "placeholder-unknown"),
        ("/texts/fr/body", "code-missing"),
        ("/texts/fr/chat", "placeholder-unknown"),
    }


def test_a_programme_may_reckon_in_the_currency_of_its_coupons() -> None:
    assert found({"currency": "CHF", "friend": CHF, "texts": {"en": TEXT}}) == set()


@pytest.mark.parametrize(
    "document",
    [
        {"friend": {**POINTS, "point": 1}},
        {"friend": {**CHF, "coupon": {**CHF["coupon"], "days": 3}}},  # type: ignore[dict-item]
        {"friend": {"kind": "coupon", "coupon": {"value": {"kind": "shipping", "minimun": "5"}}}},
        {"friend": {"kind": "points", "points": 0}},
        {"window_days": 0},
        {"ladder": [{"count": 0, "benefit": POINTS}]},
        {"texts": {}},
    ],
)
def test_what_nobody_knows_or_what_gives_nothing_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Programme.model_validate(document)
