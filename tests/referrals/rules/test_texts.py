"""What a customer shares with a friend reads right in their language."""

import pytest

from services.referrals.benefits import Benefit, CouponBenefit, CouponTerms, PointsBenefit
from services.referrals.programme import Programme, Text
from services.referrals.rules.texts import link, said, texts

PROGRAMME = Programme(link="https://shop.example/welcome?code={code}&from=friend")
CODE = "7K2M-9QFS"


def coupon(**value: str) -> CouponBenefit:
    return CouponBenefit(kind="coupon", coupon=CouponTerms.model_validate({"value": value}))


@pytest.mark.parametrize(
    ("wanted", "language"), [(["de"], "de"), (["de-AT"], "de"), (["fr", "en-GB"], "en"), (["fr"], "en"), ([], "en")]
)
def test_the_readers_language_is_chosen(wanted: list[str], language: str) -> None:
    assert texts(CODE, wanted, PROGRAMME).language == language


@pytest.mark.parametrize(("language", "benefit"), [("de", "200 Punkte"), ("en", "200 points")])
def test_mail_and_chat_tell_code_link_and_benefit(language: str, benefit: str) -> None:
    shared = texts(CODE, [language], PROGRAMME)
    for text in (shared.body, shared.chat):
        assert CODE in text
        assert "https://shop.example/welcome?code=7K2M-9QFS&from=friend" in text
        assert benefit in text
        assert "{" not in text


def test_where_the_friend_gets_nothing_no_line_promises_it() -> None:
    shared = texts(CODE, ["en"], Programme(friend=None))
    assert "you get" not in shared.body + shared.chat
    assert CODE in shared.chat


def test_the_shops_own_texts_come_first() -> None:
    own = Text(subject="{code}", body="{link}", chat="{code}: {benefit}")
    programme = Programme(default_language="fr", texts={"fr": own}, link="https://a.example/{code}")
    assert texts(CODE, ["de"], programme) == ("fr", CODE, "https://a.example/7K2M-9QFS", f"{CODE}: 200 points")


def test_a_link_carries_the_code() -> None:
    assert link("ANNA", PROGRAMME) == "https://shop.example/welcome?code=ANNA&from=friend"


@pytest.mark.parametrize(
    ("benefit", "german", "english"),
    [
        (PointsBenefit(kind="points", points=1_500), "1.500 Punkte", "1,500 points"),
        (coupon(kind="percentage_voucher", percent="12.50"), "12,5 % Rabatt", "12.5 % off"),
        (coupon(kind="percentage_voucher", percent="10"), "10 % Rabatt", "10 % off"),
        (coupon(kind="money_voucher", amount="5.00", currency="EUR"), "einen Gutschein über 5,00 EUR", "5.00 EUR off"),
        (coupon(kind="free_article", sku="A-1"), "einen Gratisartikel", "a free article"),
        (coupon(kind="shipping"), "kostenlosen Versand", "free delivery"),
    ],
)
def test_how_a_benefit_is_called(benefit: Benefit, german: str, english: str) -> None:
    assert said(benefit, "de-AT") == german
    assert said(benefit, "en") == english


def test_a_coupon_with_a_title_is_called_by_it() -> None:
    terms = {"value": {"kind": "shipping"}, "titles": {"de": "freie Fahrt", "en": "a free ride"}}
    assert said(CouponBenefit(kind="coupon", coupon=CouponTerms.model_validate(terms)), "en-GB") == "a free ride"
