"""Numbers, money, days and gifts read right in the language and the zone of whoever reads them."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter

from services.notifications.templates import formats
from services.notifications.templates.formats import Gift, Reader
from shared.contracts.coupons import CouponValue, PointsBenefit

VALUE: TypeAdapter[CouponValue] = TypeAdapter(CouponValue)


def reads(language: str, wanted: str | None = None, zone: str = "Europe/Berlin") -> Reader:
    return formats.reader(language, wanted, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("language", "wanted", "money", "number"),
    [
        ("de", None, "1.234,50\xa0€", "12.345"),
        ("de", "de-AT", "€\xa01.234,50", "12.345"),
        ("de", "de-CH", "EUR\xa01\u2019234.50", "12\u2019345"),
        ("en", None, "€1,234.50", "12,345"),
        ("en", "fr", "€1,234.50", "12,345"),
        ("en", "en-XX", "€1,234.50", "12,345"),
        ("xx", None, "€1,234.50", "12,345"),
    ],
)
def test_money_and_numbers(language: str, wanted: str | None, money: str, number: str) -> None:
    locale = reads(language, wanted).locale
    assert formats.money(Decimal("1234.5"), "EUR", locale) == money
    assert formats.number(Decimal(12345), locale) == number


@pytest.mark.parametrize(
    ("language", "zone", "said"),
    [
        ("de", "Europe/Berlin", "1. Januar 2027"),
        ("en", "America/New_York", "December 31, 2026"),
        ("en-GB", "Europe/London", "31 December 2026"),
    ],
)
def test_an_instant_is_a_day_of_the_reader(language: str, zone: str, said: str) -> None:
    instant = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    assert formats.day(instant, reads(language, zone=zone)) == said


def test_a_day_is_a_day_everywhere() -> None:
    assert formats.day(dt.date(2026, 12, 31), reads("de", zone="Pacific/Kiritimati")) == "31. Dezember 2026"


@pytest.mark.parametrize(
    ("value", "german", "english"),
    [
        ({"kind": "percentage_voucher", "percent": "10"}, "10\xa0% Rabatt", "10% off"),
        ({"kind": "percentage_voucher", "percent": "12.50"}, "12,5\xa0% Rabatt", "12.5% off"),
        ({"kind": "money_voucher", "amount": "5", "currency": "EUR"}, "5,00\xa0€ Rabatt", "€5.00 off"),
        ({"kind": "free_article", "sku": "A-1"}, "Ein Gratisartikel", "A free article"),
        ({"kind": "shipping"}, "Kostenloser Versand", "Free delivery"),
    ],
)
def test_what_a_coupon_is(value: dict[str, Any], german: str, english: str) -> None:
    coupon = VALUE.validate_python(value)
    assert formats.said(coupon, reads("de")) == german
    assert formats.said(coupon, reads("en")) == english


@pytest.mark.parametrize(("points", "said"), [(1, "1 Punkt"), (1500, "1.500 Punkte")])
def test_what_points_are(points: int, said: str) -> None:
    gift = formats.gift(PointsBenefit(kind="points", points=points), reads("de"), currency="EUR")
    assert gift == Gift(said, None, ("für Ihr Punktekonto",), None)


def test_a_coupon_tells_its_terms_and_its_last_day() -> None:
    coupon = VALUE.validate_python({"kind": "percentage_voucher", "percent": "10", "minimum": "30"})
    ends = dt.datetime(2026, 12, 24, 23, tzinfo=dt.UTC)
    assert formats.gift(coupon, reads("de"), currency="EUR", code="A-1", valid_until=ends) == Gift(
        "10\xa0% Rabatt",
        "A-1",
        ("ab 30,00\xa0€ Einkaufswert", "gültig bis 24. Dezember 2026"),
        dt.date(2026, 12, 24),
    )


def test_a_coupon_with_a_title_is_called_by_it() -> None:
    titles = {"de": "freie Fahrt", "en": "a free ride"}
    coupon = VALUE.validate_python({"kind": "shipping"})
    assert formats.gift(coupon, reads("de", "de-AT"), currency="EUR", titles=titles).text == "freie Fahrt"
