"""Rule 26: which purchases of both complete a pair, whatever came first, and who may begin one now."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.referrals.offers import Kind, Offer, faults
from services.referrals.rules.pairs import Member, State, Terms, had_bought, met, obstacles
from services.referrals.rules.qualifying import Sale

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY, INSTANT = dt.timedelta(days=1), dt.timedelta(microseconds=1)
ENDS = NOW + 30 * DAY
OFFER: dict[str, Any] = {
    "texts": {"en": {"title": "For two"}},
    "default_language": "en",
    "kind": "each_buys",
    "benefit": {"kind": "points", "points": 200},
}


def terms(kind: Kind = "each_buys") -> Terms:
    return Terms(kind, "EUR", Decimal(20), NOW, ENDS)


def sale(
    amount: str = "20",
    refunded: str = "0",
    *,
    at: dt.datetime = NOW,
    currency: str = "EUR",
    number: str = "R-1",
    companion: str | None = None,
) -> Sale:
    return Sale(at, "shop", number, currency, Decimal(amount), Decimal(refunded), companion)


def anna(*sales: Sale) -> Member:
    return Member(frozenset({"anna", "old anna"}), list(sales))


def ben(*sales: Sale) -> Member:
    return Member(frozenset({"ben"}), list(sales))


@pytest.mark.parametrize(
    ("bought", "counts"),
    [
        (sale(), True),
        (sale("19.99"), False),
        (sale("25", "5"), True),
        (sale("25", "5.01"), False),
        (sale(currency="CHF"), False),
        (sale(at=NOW - INSTANT), False),
        (sale(at=ENDS - INSTANT), True),
        (sale(at=ENDS), False),
    ],
)
def test_which_purchase_counts(bought: Sale, *, counts: bool) -> None:
    enough = sale("30", number="R-2")
    assert (met(terms(), anna(bought), ben(enough)) is not None) is counts
    assert (met(terms(), anna(enough), ben(bought)) is not None) is counts


def test_each_has_to_buy() -> None:
    assert met(terms(), anna(sale(), sale(number="R-2")), ben()) is None


@pytest.mark.parametrize(
    ("referrer", "friend", "is_met"),
    [
        (anna(sale(companion="ben")), ben(), True),
        (anna(), ben(sale(companion="anna")), True),
        (anna(), ben(sale(companion="old anna")), True),
        (anna(sale(companion="cleo")), ben(), False),
        (anna(sale(companion="anna")), ben(sale(companion="ben")), False),
        (anna(sale()), ben(sale(number="R-2")), False),
        (anna(sale("19", companion="ben")), ben(), False),
    ],
)
def test_a_joint_basket_names_the_other(referrer: Member, friend: Member, *, is_met: bool) -> None:
    found = met(terms("joint_basket"), referrer, friend)
    assert (found is not None) is is_met
    assert found is None or found.referrer == found.friend


SALES = st.lists(
    st.builds(
        Sale,
        st.integers(-1, 31).map(lambda days: NOW + days * DAY),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(["EUR", "EUR", "CHF"]),
        st.integers(15, 40).map(Decimal),
        st.integers(0, 20).map(Decimal),
        st.sampled_from([None, "anna", "ben"]),
    ),
    unique_by=lambda each: (each.shop_id, each.invoice_number),
    max_size=6,
)
ORDERS = SALES.flatmap(lambda sales: st.tuples(st.just(sales), st.permutations(sales)))


@given(ORDERS, ORDERS, st.sampled_from(["each_buys", "joint_basket"]))
def test_any_order_of_arrival_ends_the_same(
    mine: tuple[list[Sale], list[Sale]], theirs: tuple[list[Sale], list[Sale]], kind: Kind
) -> None:
    one, other = (met(terms(kind), anna(*mine[place]), ben(*theirs[place])) for place in (0, 1))
    assert one == other
    swapped = met(terms(kind), ben(*theirs[0]), anna(*mine[0]))
    assert (swapped is None) is (one is None)


def test_a_new_friend_has_not_bought_before() -> None:
    assert [had_bought(each, NOW) for each in (None, NOW - INSTANT, NOW)] == [False, True, False]


# Who may


EARLY = {"tiers": ["gold"], "valid_from": (NOW - DAY).isoformat()}


@pytest.mark.parametrize(
    ("rules", "tier", "codes"),
    [
        ({}, None, []),
        ({"valid_from": NOW.isoformat()}, None, []),
        ({"valid_from": (NOW + INSTANT).isoformat()}, None, ["offer-not-yet"]),
        ({"valid_from": (NOW + DAY).isoformat(), "early_access": EARLY}, "silver", ["offer-not-yet"]),
        ({"valid_from": (NOW + DAY).isoformat(), "early_access": EARLY}, "gold", []),
        ({"valid_until": (NOW + INSTANT).isoformat()}, None, []),
        ({"valid_until": NOW.isoformat()}, None, ["offer-over"]),
        ({"budget": 8}, None, []),
        ({"budget": 7}, None, ["offer-used-up"]),
        ({"per_customer": 3}, None, []),
        ({"per_customer": 2}, None, ["offer-limit-reached"]),
        (
            {"valid_until": NOW.isoformat(), "budget": 7, "per_customer": 1},
            None,
            ["offer-over", "offer-used-up", "offer-limit-reached"],
        ),
    ],
)
def test_what_keeps_a_customer_who_has_two_from_one_of_seven_more(
    rules: dict[str, Any], tier: str | None, codes: list[str]
) -> None:
    offer = Offer.model_validate(OFFER | {"per_customer": None} | rules)
    assert [each.code for each in obstacles(State(offer, 7), tier, 2, NOW)] == codes


def test_what_is_retired_is_open_for_nobody() -> None:
    found = obstacles(State(Offer.model_validate(OFFER), 0, is_retired=True), None, 0, NOW)
    assert [each.code for each in found] == ["offer-retired"]


# The document


def test_an_offer_without_faults_survives_json() -> None:
    offer = Offer.model_validate(OFFER)
    assert faults(offer) == []
    assert Offer.model_validate_json(offer.model_dump_json()) == offer


def test_every_fault_is_found_at_once() -> None:
    chf = {"value": {"kind": "money_voucher", "amount": "5", "currency": "CHF"}}
    document = {
        "default_language": "fr",
        "valid_from": NOW.isoformat(),
        "valid_until": NOW.isoformat(),
        "early_access": {"tiers": ["gold"], "valid_from": NOW.isoformat()},
        "benefit": {"kind": "coupon", "coupon": chf},
        "link": "https://shop.example/{customer}",
    }
    assert [(each.pointer, each.code) for each in faults(Offer.model_validate(OFFER | document))] == [
        ("/default_language", "text-missing"),
        ("/valid_until", "window-empty"),
        ("/early_access/valid_from", "not-early"),
        ("/link", "code-missing"),
        ("/link", "placeholder-unknown"),
        ("/benefit/coupon/value/currency", "currency-differs"),
    ]
