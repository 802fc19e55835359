"""What a customer shares: the link, and ready texts for mail and chat in the reader's language."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from services.referrals.benefits import (
    Benefit,
    CouponTerms,
    FreeArticle,
    MoneyVoucher,
    PercentageVoucher,
    PointsBenefit,
)
from services.referrals.programme import PLACEHOLDER, Programme
from shared import languages


class Words(NamedTuple):
    """How a benefit is called in a language."""

    points: str
    percent: str
    money: str
    article: str
    shipping: str
    group: str
    decimal: str


ENGLISH = Words("{} points", "{} % off", "{} off", "a free article", "free delivery", ",", ".")
WORDS = {
    "de": Words(
        "{} Punkte", "{} % Rabatt", "einen Gutschein über {}", "einen Gratisartikel", "kostenlosen Versand", ".", ","
    ),
    "en": ENGLISH,
}


class Shared(NamedTuple):
    """What a customer sends a friend, filled in."""

    language: str
    subject: str
    body: str
    chat: str


def link(code: str, programme: Programme) -> str:
    """Return the link that a customer shares."""
    return programme.link.replace("{code}", code)


def texts(code: str, wanted: Iterable[str], programme: Programme) -> Shared:
    """Return the texts in the first wanted language that the programme has, else in its default one."""
    language = languages.choose(wanted, programme.texts, programme.default_language)
    text = programme.texts[language]
    values = {"code": code, "link": link(code, programme)}
    if programme.friend is not None:
        values["benefit"] = said(programme.friend, language)
    fill = _filler(values)
    return Shared(language, fill(text.subject), fill(text.body), fill(text.chat))


def _filler(values: Mapping[str, str]) -> Callable[[str], str]:
    def fill(text: str) -> str:
        lines = (line for line in text.split("\n") if set(PLACEHOLDER.findall(line)) <= values.keys())
        return "\n".join(PLACEHOLDER.sub(lambda found: values[found[1]], line) for line in lines)

    return fill


def said(benefit: Benefit, language: str) -> str:
    """Return in a few words what somebody gets."""
    words = WORDS.get(language.partition("-")[0], ENGLISH)
    if isinstance(benefit, PointsBenefit):
        return words.points.format(f"{benefit.points:,}".replace(",", words.group))
    titles = benefit.coupon.titles
    return titles[languages.choose([language], titles, next(iter(titles)))] if titles else _value(benefit.coupon, words)


def _value(coupon: CouponTerms, words: Words) -> str:
    value = coupon.value
    if isinstance(value, PercentageVoucher):
        return words.percent.format(f"{value.percent.normalize():f}".replace(".", words.decimal))
    if isinstance(value, MoneyVoucher):
        return words.money.format(f"{value.amount} {value.currency}".replace(".", words.decimal))
    return words.article if isinstance(value, FreeArticle) else words.shipping
