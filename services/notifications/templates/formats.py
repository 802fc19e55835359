"""Numbers, money, days and gifts, as a reader's language and time zone write them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import pass_context
from jinja2.runtime import Context

from shared import languages
from shared.contracts.coupons import (
    CouponValue,
    FreeArticle,
    MoneyVoucher,
    PercentageVoucher,
    PointsBenefit,
)

ENGLISH = Locale("en")
INSTANT = dt.timedelta(microseconds=1)
PERCENT = Decimal(100)


class Words(NamedTuple):
    """How a gift is called in a language."""

    point: str
    points: str
    off: str
    article: str
    shipping: str
    minimum: str
    until: str
    account: str


WORDS = {
    "de": Words(
        point="{} Punkt",
        points="{} Punkte",
        off="{} Rabatt",
        article="Ein Gratisartikel",
        shipping="Kostenloser Versand",
        minimum="ab {} Einkaufswert",
        until="gültig bis {}",
        account="für Ihr Punktekonto",
    ),
    "en": Words(
        point="{} point",
        points="{} points",
        off="{} off",
        article="A free article",
        shipping="Free delivery",
        minimum="on purchases of {} or more",
        until="valid until {}",
        account="for your points account",
    ),
}


class Reader(NamedTuple):
    """In which language and form somebody reads, and by which clock they live."""

    language: str
    locale: Locale
    zone: ZoneInfo


class Gift(NamedTuple):
    """What a customer gets, in words of their language: points have no code. `until` is its last day."""

    text: str
    code: str | None = None
    terms: tuple[str, ...] = ()
    until: dt.date | None = None


def reader(language: str, wanted: str | None, zone: ZoneInfo) -> Reader:
    """Return how somebody reads a text in `language` who `wanted` a form of it, as `de-AT` is one of `de`."""
    is_form = wanted is not None and wanted.partition("-")[0].lower() == language.partition("-")[0].lower()
    return Reader(language, _locale(wanted if is_form and wanted else language), zone)


def _locale(language: str) -> Locale:
    for name in (language, language.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return ENGLISH


def number(amount: Decimal, locale: Locale) -> str:
    return format_decimal(amount, locale=locale)


def money(amount: Decimal, currency: str, locale: Locale) -> str:
    return format_currency(amount, currency, locale=locale)


def day(when: dt.date, to: Reader) -> str:
    """Return a day in words; of an instant, the reader's."""
    local = when.astimezone(to.zone).date() if isinstance(when, dt.datetime) else when
    return format_date(local, "long", locale=to.locale)


def gift(
    value: CouponValue | PointsBenefit,
    to: Reader,
    *,
    currency: str,
    code: str | None = None,
    valid_until: dt.datetime | None = None,
    titles: Mapping[str, str] | None = None,
) -> Gift:
    """Return what somebody gets as their letter says it.

    `valid_until` is the first instant at which it is no longer good, `currency` that of a minimum that tells none.
    """
    text = titles[languages.choose([to.language], titles, next(iter(titles)))] if titles else said(value, to)
    until = None if valid_until is None else (valid_until - INSTANT).astimezone(to.zone).date()
    return Gift(text, code, tuple(_terms(value, currency, until, to)), until)


def said(value: CouponValue | PointsBenefit, to: Reader) -> str:
    """Return what a gift is in two or three words."""
    words = _words(to)
    if isinstance(value, PointsBenefit):
        return (words.point if value.points == 1 else words.points).format(number(Decimal(value.points), to.locale))
    if isinstance(value, PercentageVoucher):
        return words.off.format(format_percent(value.percent / PERCENT, locale=to.locale, decimal_quantization=False))
    if isinstance(value, MoneyVoucher):
        return words.off.format(money(value.amount, value.currency, to.locale))
    return words.article if isinstance(value, FreeArticle) else words.shipping


def _terms(value: CouponValue | PointsBenefit, currency: str, until: dt.date | None, to: Reader) -> Iterator[str]:
    if isinstance(value, PointsBenefit):
        yield _words(to).account
    elif not isinstance(value, FreeArticle) and value.minimum:
        known = value.currency if isinstance(value, MoneyVoucher) else currency
        yield _words(to).minimum.format(money(value.minimum, known, to.locale))
    if until is not None:
        yield _words(to).until.format(day(until, to))


def _words(to: Reader) -> Words:
    return WORDS.get(to.language.partition("-")[0], WORDS["en"])


# Filters of templates


def _reader(context: Context) -> Reader:
    found: Reader = context["reader"]
    return found


@pass_context
def number_filter(context: Context, amount: Any) -> str:
    return number(amount, _reader(context).locale)


@pass_context
def money_filter(context: Context, amount: Any, currency: str) -> str:
    return money(amount, currency, _reader(context).locale)


@pass_context
def day_filter(context: Context, when: Any) -> str:
    if not isinstance(when, dt.date):
        message = f"{when!r} is no day"
        raise TypeError(message)
    return day(when, _reader(context))


FILTERS = {"number": number_filter, "money": money_filter, "day": day_filter}
