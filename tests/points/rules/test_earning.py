"""What a purchase earns, case by case, and always what an independent computation says (rules 1 to 4, 6, 13 and 16)."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.points.decisions import snapshots
from services.points.programme import EarnBase, Programme, Version, Versions
from services.points.rules import earning
from services.points.rules.earning import Buyer, Part, Sale, Use
from shared.contracts.purchases import PurchaseLine

ONE = Decimal(1)
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
"""A Monday."""


def line(category: str, amount: str, sku: str = "A-1") -> PurchaseLine:
    return PurchaseLine.model_construct(sku=sku, category=category, amount=Decimal(amount))


def sale(total: str, *lines: PurchaseLine, **more: Any) -> Sale:
    return Sale(Decimal(total), lines=lines, occurred_at=more.pop("occurred_at", NOON), **more)


def terms(document: dict[str, Any], said: Sale, buyer: Buyer = earning.NEWCOMER, rate: str = "1") -> earning.Terms:
    programme = Programme.model_validate(document)
    return earning.terms(said, version=1, programme=programme, rate=Decimal(rate), buyer=buyer)


def parts(document: dict[str, Any], said: Sale, buyer: Buyer = earning.NEWCOMER) -> dict[str, int]:
    """What each rule gives, by its name."""
    return {part.rule: part.points for part in earning.breakdown(terms(document, said, buyer))}


def points(document: dict[str, Any], said: Sale, buyer: Buyer = earning.NEWCOMER) -> int:
    return sum(parts(document, said, buyer).values())


def snapshot(base: str, *, rate: str = "1", minimum: str = "0", gross: str | None = None) -> earning.Terms:
    return earning.Terms(1, Decimal(rate), Decimal(minimum), Decimal(gross or base), Decimal(base))


# Rule 1


@pytest.mark.parametrize(
    ("base", "rate", "earned"),
    [
        ("105.00", "0.1", 10),
        ("49.95", "1", 49),
        ("268.28", "1", 268),
        ("0", "1", 0),
        ("0.99", "1", 0),
        ("0.3333", "3", 0),
        ("0.3334", "3", 1),
        ("0.0001", "9999.9999", 0),
        ("0.0001", "10000", 1),
        ("99999999999999.9999", "1", 99_999_999_999_999),
        ("99999999999999.9999", "0.0001", 9_999_999_999),
    ],
)
def test_rule_1_points_are_rounded_down_once(base: str, rate: str, earned: int) -> None:
    assert earning.award(snapshot(base, rate=rate)) == earned


def test_rule_1_points_are_rounded_once_per_purchase_and_never_per_line() -> None:
    rule = {"rules": [{"name": "wine", "categories": ["wine"], "multiplier": "1.5"}]}
    ten = [line("wine", "0.99") for _ in range(10)]
    assert parts(rule, sale("9.90", *ten)) == {"base": 9, "wine": 5}


def test_nothing_is_earned_below_the_minimum() -> None:
    assert earning.award(snapshot("4.99", minimum="5")) == 0
    assert earning.award(snapshot("5.00", minimum="5")) == 5


# Rule 2

SALE = Sale(
    total=Decimal("119.00"),
    tax=Decimal("19.00"),
    shipping=Decimal("4.90"),
    gift_cards=Decimal("20.00"),
    points_paid=Decimal("10.00"),
    discount=Decimal("5.00"),
)


@pytest.mark.parametrize(
    ("counts", "base"),
    [
        (EarnBase(), "84.10"),
        (EarnBase(tax=False), "65.10"),
        (EarnBase(shipping=True), "89.00"),
        (EarnBase(gift_cards=True), "104.10"),
        (EarnBase(points_paid=True), "94.10"),
        (EarnBase(discount=True), "89.10"),
        (EarnBase(discount=True, tax=False), "70.10"),
    ],
)
def test_rule_2_the_earn_base_is_a_setting(counts: EarnBase, base: str) -> None:
    programme = Programme(earn_base=counts)
    assert earning.terms(SALE, version=1, programme=programme, rate=ONE).base == Decimal(base)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (Sale(Decimal(50), gift_cards=Decimal(50), shipping=Decimal(3)), EarnBase()),
        (Sale(Decimal(50), points_paid=Decimal(50)), EarnBase()),
        (Sale(Decimal(0), discount=Decimal(20)), EarnBase(discount=True)),
        (Sale(Decimal(10), tax=Decimal(15)), EarnBase(tax=False)),
    ],
)
def test_rule_3_what_is_not_eligible_earns_nothing(said: Sale, counts: EarnBase) -> None:
    assert points({"earn_base": counts.model_dump(), "campaigns": [{"name": "c", "points": 9}]}, said) == 0


# Rule 3

FOOD_ONLY = {"rules": [{"name": "food", "categories": ["food"], "multiplier": "1"}], "other_lines": "0"}
FOOD_AND_OTHER = line("food", "100.00"), line("other", "50.00")


def test_rule_3_order_discounts_are_spread_over_the_lines() -> None:
    assert points(FOOD_ONLY, sale("135.00", *FOOD_AND_OTHER, discount=Decimal(15))) == 90


def test_rule_3_a_purchase_without_lines_gets_the_best_multiplier_that_needs_none() -> None:
    rules = [
        {"name": "food", "categories": ["food"], "multiplier": "5"},
        {"name": "shop", "multiplier": "2"},
        {"name": "web", "multiplier": "3", "channels": ["web"]},
    ]
    assert parts({"rules": rules}, sale("100.00")) == {"base": 100, "shop": 100}
    assert parts({"rules": rules}, sale("100.00", channel="web")) == {"base": 100, "web": 200}
    assert parts({"rules": rules, "other_lines": "0"}, sale("100.00")) == {"base": 100, "shop": 100}
    assert points(FOOD_ONLY, sale("100.00")) == 0


def test_rule_3_lines_that_come_to_nothing_are_as_none() -> None:
    assert points({"rules": [{"name": "x2", "multiplier": "2"}]}, sale("10.00", line("food", "0.00"))) == 20


def test_rule_3_of_several_that_fit_a_line_the_best_counts() -> None:
    rules = [
        {"name": "wine", "categories": ["wine"], "multiplier": "2"},
        {"name": "that wine", "skus": ["W-1"], "multiplier": "3"},
        {"name": "all", "multiplier": "1.5"},
    ]
    lines = line("wine", "10.00", "W-1"), line("wine", "10.00"), line("food", "10.00")
    assert parts({"rules": rules}, sale("30.00", *lines)) == {"base": 30, "that wine": 20, "wine": 10, "all": 5}


def test_rule_3_a_multiplier_of_zero_leaves_its_lines_out() -> None:
    rule = {"rules": [{"name": "no books", "categories": ["book"], "multiplier": "0"}]}
    assert parts(rule, sale("30.00", line("book", "10.00"), line("food", "20.00"))) == {"base": 30, "no books": -10}


@pytest.mark.parametrize(
    ("total", "wine", "expected"),
    [
        ("100.00", "20.00", {"base": 100, "wine": 20}),
        ("100.00", "19.99", {"base": 100}),
        ("90.00", "20.00", {"base": 90}),  # the discount of the order takes its part of the wine
        ("90.00", "22.23", {"base": 90, "wine": 20}),
    ],
)
def test_rule_3_a_minimum_counts_the_lines_that_qualify(total: str, wine: str, expected: dict[str, int]) -> None:
    rule = {"rules": [{"name": "wine", "categories": ["wine"], "multiplier": "2", "minimum": "20"}]}
    other = str(Decimal(100) - Decimal(wine))
    assert parts(rule, sale(total, line("wine", wine), line("food", other))) == expected


def test_rule_3_below_the_minimum_of_the_best_the_next_best_counts() -> None:
    rules = [
        {"name": "much", "multiplier": "3", "minimum": "100"},
        {"name": "some", "multiplier": "2", "minimum": "50"},
    ]
    for total, expected in (
        ("100", {"base": 100, "much": 200}),
        ("99", {"base": 99, "some": 99}),
        ("49", {"base": 49}),
    ):
        assert parts({"rules": rules}, sale(total)) == expected


def test_rule_3_tier_and_multipliers_are_multiplied_and_rounded_once() -> None:
    document = {
        "tiers": {"levels": [{"name": "B", "threshold": 0}, {"name": "G", "threshold": 9, "multiplier": "1.5"}]},
        "rules": [{"name": "wine", "categories": ["wine"], "multiplier": "1.5"}],
    }
    said = sale("1.11", line("wine", "1.11"))
    assert parts(document, said) == {"base": 1}
    assert parts(document, said, Buyer("G")) == {"base": 1, "wine": 1}  # 2.4975


def test_rule_3_bonuses_add_up_and_are_rounded_once_each() -> None:
    campaigns = [
        {"name": "flat", "points": 50, "minimum": "10"},
        {"name": "half", "factor": "0.5", "categories": ["wine"]},
        {"name": "tenth", "factor": "0.1"},
    ]
    said = sale("19.99", line("wine", "9.99"), line("food", "10.00"))
    assert parts({"campaigns": campaigns}, said) == {"base": 19, "flat": 50, "half": 4, "tenth": 1}


def test_a_bonus_knows_nothing_of_tiers_and_multipliers() -> None:
    document = {
        "tiers": {"levels": [{"name": "B", "threshold": 0, "multiplier": "2"}]},
        "rules": [{"name": "x3", "multiplier": "3"}],
        "campaigns": [{"name": "double", "factor": "1"}],
    }
    assert parts(document, sale("10.00")) == {"base": 10, "tier B": 10, "x3": 40, "double": 10}


@pytest.mark.parametrize(
    ("caps", "buyer", "part"),
    [
        ({"per_customer": {"points": 20}}, Buyer(), Part("c", 7)),
        ({"per_customer": {"points": 20}}, Buyer(uses={"c": Use(15, 3)}), Part("c", 5, capped_from=7)),
        ({"per_customer": {"points": 20}}, Buyer(uses={"c": Use(20, 3)}), Part("c", 0, capped_from=7)),
        ({"per_customer": {"points": 20}}, Buyer(uses={"c": Use(99, 3)}), Part("c", 0, capped_from=7)),
        ({"budget": {"points": 20}}, Buyer(budgets={"c": Use(15, 3)}), Part("c", 5, capped_from=7)),
        (
            {"per_customer": {"points": 20}, "budget": {"points": 100}},
            Buyer(uses={"c": Use(18, 1)}, budgets={"c": Use(96, 1)}),
            Part("c", 2, capped_from=7),
        ),
        ({"per_customer": {"awards": 2}}, Buyer(uses={"c": Use(7, 1)}), Part("c", 7)),
        ({"per_customer": {"awards": 2}}, Buyer(uses={"c": Use(7, 2)}), None),
        ({"budget": {"awards": 2}}, Buyer(uses={"c": Use(7, 1)}, budgets={"c": Use(14, 2)}), None),
    ],
)
def test_rule_3_caps_cut_an_award_down_and_say_so(caps: dict[str, Any], buyer: Buyer, part: Part | None) -> None:
    given_parts = earning.breakdown(terms({"campaigns": [{"name": "c", "points": 7, **caps}]}, sale("10.00"), buyer))
    assert given_parts == [Part("base", 10), *([part] if part else [])]


@pytest.mark.parametrize(
    ("condition", "said", "counts"),
    [
        ({"channels": ["web"]}, {"channel": "web"}, True),
        ({"channels": ["web"]}, {"channel": "shop"}, False),
        ({"channels": ["web"]}, {}, False),
        ({"shops": ["berlin"]}, {"shop_id": "berlin"}, True),
        ({"shops": ["berlin"]}, {"shop_id": "bonn"}, False),
        ({"weekdays": ["mon"]}, {}, True),
        ({"weekdays": ["sun"]}, {}, False),
        ({"weekdays": ["tue"]}, {"occurred_at": "2026-11-23T23:30:00Z"}, True),  # it is Tuesday in Berlin
        ({"hours": {"from": "12:00", "until": "14:00"}}, {"occurred_at": "2026-11-23T12:59:59Z"}, True),
        ({"hours": {"from": "12:00", "until": "14:00"}}, {"occurred_at": "2026-11-23T11:00:00Z"}, True),
        ({"hours": {"from": "12:00", "until": "14:00"}}, {"occurred_at": "2026-11-23T13:00:00Z"}, False),
        ({"hours": {"from": "12:00", "until": "14:00"}}, {"occurred_at": "2026-07-01T11:59:59Z"}, True),
        ({"hours": {"from": "12:00", "until": "14:00"}}, {"occurred_at": "2026-07-01T12:00:00Z"}, False),
        ({"hours": {"from": "22:00", "until": "02:00"}}, {"occurred_at": "2026-11-23T00:59:00Z"}, True),
        ({"hours": {"from": "22:00", "until": "02:00"}}, {"occurred_at": "2026-11-23T01:00:00Z"}, False),
        ({"hours": {"from": "22:00", "until": "00:00"}}, {"occurred_at": "2026-11-23T22:59:00Z"}, True),
        ({"hours": {"from": "22:00", "until": "00:00"}}, {"occurred_at": "2026-11-23T23:00:00Z"}, False),
        # the hour from 2 to 3 comes twice when the clocks are put back, and never when they are put forward
        ({"hours": {"from": "02:00", "until": "03:00"}}, {"occurred_at": "2026-10-25T00:30:00Z"}, True),
        ({"hours": {"from": "02:00", "until": "03:00"}}, {"occurred_at": "2026-10-25T01:30:00Z"}, True),
        ({"hours": {"from": "02:00", "until": "03:00"}}, {"occurred_at": "2026-03-29T00:59:59Z"}, False),
        ({"hours": {"from": "02:00", "until": "03:00"}}, {"occurred_at": "2026-03-29T01:00:00Z"}, False),
        ({"valid_from": "2026-11-23T12:00:00Z"}, {}, True),
        ({"valid_from": "2026-11-23T12:00:01Z"}, {}, False),
        ({"valid_until": "2026-11-23T12:00:00Z"}, {}, False),
        ({"valid_until": "2026-11-23T12:00:01Z"}, {}, True),
        ({"valid_from": "2026-11-23T13:00:00+01:00", "valid_until": "2026-11-23T13:00:01+01:00"}, {}, True),
    ],
)
@pytest.mark.parametrize("kind", ["rules", "campaigns"])
def test_rule_3_what_a_purchase_must_be(
    kind: str,
    condition: dict[str, Any],
    said: dict[str, Any],
    counts: bool,  # noqa: FBT001 - a table
) -> None:
    gives = {"multiplier": "2"} if kind == "rules" else {"factor": "1"}
    when = {"occurred_at": dt.datetime.fromisoformat(said["occurred_at"])} if "occurred_at" in said else {}
    document = {"time_zone": "Europe/Berlin", kind: [{"name": "n", **gives, **condition}]}
    assert points(document, sale("10.00", **said | when)) == (20 if counts else 10)


EARLY = {
    "tiers": {"levels": [{"name": "B", "threshold": 0}, {"name": "G", "threshold": 9}]},
    "campaigns": [
        {
            "name": "sale",
            "points": 5,
            "valid_from": "2026-11-27T00:00:00Z",
            "valid_until": "2026-11-28T00:00:00Z",
            "early_access": {"tiers": ["G"], "valid_from": "2026-11-26T00:00:00Z"},
        }
    ],
}


@pytest.mark.parametrize(
    ("tier", "at", "given_points"),
    [
        ("G", "2026-11-25T23:59:59Z", 0),
        ("G", "2026-11-26T00:00:00Z", 5),
        ("B", "2026-11-26T23:59:59Z", 0),
        (None, "2026-11-26T23:59:59Z", 0),
        ("B", "2026-11-27T00:00:00Z", 5),
        ("G", "2026-11-28T00:00:00Z", 0),
    ],
)
def test_rule_3_tiers_with_early_access_come_first(tier: str | None, at: str, given_points: int) -> None:
    said = sale("10.00", occurred_at=dt.datetime.fromisoformat(at))
    assert points(EARLY, said, Buyer(tier)) == 10 + given_points


def test_rule_3_a_bonus_for_tiers_counts_the_tier_at_booking() -> None:
    document = {"tiers": EARLY["tiers"], "campaigns": [{"name": "gold", "points": 5, "tiers": ["G"]}]}
    assert [points(document, sale("10.00"), Buyer(tier)) for tier in ("G", "B", "gone", None)] == [15, 10, 10, 10]


def test_rule_3_a_bonus_for_the_first_purchase() -> None:
    document = {"campaigns": [{"name": "hello", "points": 5, "first_purchase": True}]}
    assert points(document, sale("10.00"), Buyer(is_first=True)) == 15
    assert points(document, sale("10.00"), Buyer(is_first=False)) == 10


# Rule 6


def test_rule_6_a_purchase_earns_by_the_version_of_its_day() -> None:
    start, later = dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    versions = Versions(
        [
            Version(version=2, valid_from=later, programme=Programme.model_validate({"rates": {"EUR": "2"}})),
            Version(version=1, valid_from=start, programme=Programme()),
        ]
    )
    assert versions.at(later - dt.timedelta(microseconds=1)).version == 1
    assert versions.at(later).version == 2
    assert versions.latest == 2


# Rule 13


def test_rule_13_refunds_of_a_third_take_34_33_and_33() -> None:
    snapped, taken_back, clawed_back, steps = snapshot("100.00"), Decimal(0), 0, []
    for amount in ("33.33", "33.33", "33.34"):
        taken_back += Decimal(amount)
        now = earning.clawback(snapped, earned=100, taken_back=taken_back, clawed_back=clawed_back)
        clawed_back += now
        steps.append(now)
    assert steps == [34, 33, 33]


def test_rule_13_the_minimum_is_judged_again_on_what_is_kept() -> None:
    assert earning.clawback(snapshot("60", minimum="50"), earned=60, taken_back=Decimal(11), clawed_back=0) == 60


@pytest.mark.parametrize(("taken_back", "kept"), [("0", 152), ("20", 127), ("20.01", 79), ("50", 50), ("100", 0)])
def test_rule_13_thresholds_of_bonuses_and_rules_are_judged_again(taken_back: str, kept: int) -> None:
    document = {
        "rules": [{"name": "wine", "categories": ["wine"], "multiplier": "2", "minimum": "20"}],
        "campaigns": [{"name": "big", "points": 27, "minimum": "80"}],
    }
    snapped = terms(document, sale("100.00", line("wine", "25.00"), line("food", "75.00")))
    assert earning.award(snapped, Decimal(taken_back)) == kept


def test_rule_13_what_a_cap_left_is_kept_and_no_more() -> None:
    document = {"campaigns": [{"name": "half", "factor": "0.5", "per_customer": {"points": 20}}]}
    snapped = terms(document, sale("100.00"), Buyer(uses={"half": Use(5, 1)}))
    assert [earning.award(snapped, Decimal(taken)) for taken in (0, 60, 70, 80)] == [115, 55, 45, 30]


def test_rule_13_where_tax_does_not_earn_a_refund_takes_its_share() -> None:
    assert earning.award(snapshot("100", gross="119"), Decimal("59.50")) == 50


def test_rule_13_where_discounts_earn_a_refund_takes_their_share() -> None:
    snapped = terms({"earn_base": {"discount": True}}, sale("90.00", discount=Decimal(10)))
    assert [earning.award(snapped, Decimal(taken)) for taken in (0, 45, 90)] == [100, 50, 0]


@pytest.mark.parametrize(
    ("refunded", "given_back", "part"),
    [("50", "0", "10"), ("100", "10", "10"), ("33.33", "0", "6.666"), ("100", "20", "0"), ("10", "5", "0")],
)
def test_rule_16_points_paid_go_back_in_proportion(refunded: str, given_back: str, part: str) -> None:
    assert earning.points_paid_part(
        paid=Decimal(20), total=Decimal(100), refunded=Decimal(refunded), given_back=Decimal(given_back)
    ) == Decimal(part)


# Always


def money(most: int) -> st.SearchStrategy[Decimal]:
    """Money of up to so many units, with up to four decimals."""
    return st.integers(0, most * 10_000).map(lambda number: Decimal(number).scaleb(-4))


@st.composite
def programmes(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    def conditions() -> dict[str, Any]:
        found: dict[str, Any] = {"minimum": str(draw(money(50)))} if draw(st.booleans()) else {}
        if draw(st.booleans()):
            found["categories"] = draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True))
        return found

    def campaign(number: int) -> dict[str, Any]:
        given_points = draw(st.one_of(st.none(), st.integers(1, 500)))
        gives = {"points": given_points} if given_points else {"factor": str(draw(money(3)) + Decimal("0.0001"))}
        caps = {"per_customer": {"points": draw(st.integers(1, 50))}} if draw(st.booleans()) else {}
        return {"name": f"c{number}", **gives, **caps, **conditions()}

    return {
        "minimum": str(draw(money(20))),
        "earn_base": {name: draw(st.booleans()) for name in ("tax", "shipping", "discount")},
        "other_lines": str(draw(money(3))),
        "rules": [
            {"name": f"r{number}", "multiplier": str(draw(money(9))), **conditions()}
            for number in range(draw(st.integers(0, 3)))
        ],
        "campaigns": [campaign(number) for number in range(draw(st.integers(0, 3)))],
        "tiers": {"levels": [{"name": "B", "threshold": 0, "multiplier": str(draw(money(3)) + Decimal("0.0001"))}]},
    }


sales = st.builds(
    Sale,
    total=money(10**9),
    tax=money(20),
    shipping=money(20),
    gift_cards=st.just(Decimal(0)),
    points_paid=st.just(Decimal(0)),
    discount=money(20),
    shop_id=st.just("shop"),
    channel=st.none(),
    lines=st.lists(
        st.builds(
            PurchaseLine.model_construct, sku=st.just("s"), category=st.sampled_from("abcd"), amount=money(10**13)
        ),
        max_size=5,
    ),
    occurred_at=st.just(NOON),
)


def independently(document: dict[str, Any], said: Sale, rate: Decimal, taken_back: Decimal) -> int:
    """The formula of rule 3 in fractions, straight from its words; nobody was given anything of a campaign before."""
    counts = document["earn_base"]
    gross = max(Fraction(0), Fraction(said.total) - (0 if counts["shipping"] else Fraction(said.shipping)))
    kept = max(Fraction(0), gross - Fraction(taken_back))
    if not kept:
        return 0
    base = gross + (Fraction(said.discount) if counts["discount"] else 0) - (0 if counts["tax"] else Fraction(said.tax))
    base = max(Fraction(0), base) * kept / gross
    if not base or base < Fraction(document["minimum"]):
        return 0
    amounts = [(each.category, Fraction(each.amount)) for each in said.lines]
    total = sum(amount for _, amount in amounts)
    if not total:
        amounts, total = [(None, Fraction(1))], Fraction(1)

    def fits(rule: dict[str, Any], category: str | None) -> bool:
        return "categories" not in rule or category in rule["categories"]

    def chosen(rule: dict[str, Any]) -> Fraction:
        return sum((amount for category, amount in amounts if fits(rule, category)), Fraction(0)) / total

    def is_met(rule: dict[str, Any]) -> bool:
        return kept * chosen(rule) >= Fraction(rule.get("minimum", "0"))

    def best(category: str | None) -> Fraction:
        found = [Fraction(rule["multiplier"]) for rule in document["rules"] if fits(rule, category) and is_met(rule)]
        return max(found, default=Fraction(document["other_lines"]))

    plain = base * Fraction(rate)
    tier = Fraction(document["tiers"]["levels"][0]["multiplier"])
    earned = floor(plain * tier * sum(amount * best(category) for category, amount in amounts) / total)
    for campaign in document["campaigns"]:
        if chosen(campaign) and is_met(campaign):
            factor = Fraction(campaign.get("factor", "0"))
            bonus = campaign.get("points") or floor(plain * factor * chosen(campaign))
            earned += min(bonus, campaign.get("per_customer", {}).get("points", bonus))
    return earned


@settings(max_examples=300, deadline=None)
@given(document=programmes(), said=sales, rate=money(5).map(lambda rate: rate + Decimal("0.0001")), taken=money(10**9))
def test_rules_1_3_and_13_the_parts_are_exactly_what_the_formula_says(
    document: dict[str, Any], said: Sale, rate: Decimal, taken: Decimal
) -> None:
    snapped = terms(document, said, rate=str(rate))
    for taken_back in (Decimal(0), taken, said.total):
        found = earning.breakdown(snapped, taken_back)
        assert sum(part.points for part in found) == independently(document, said, rate, taken_back)
    assert earning.award(snapped, said.total) == 0


@settings(max_examples=100, deadline=None)
@given(document=programmes(), said=sales)
def test_rule_4_a_snapshot_is_read_back_as_it_was(document: dict[str, Any], said: Sale) -> None:
    snapped = terms(document, said)
    found = snapshots.load(snapshots.dump(snapped, snapshots.lines(earning.breakdown(snapped))))
    for taken_back in (Decimal(0), said.total / 2):
        assert earning.breakdown(found, taken_back) == earning.breakdown(snapped, taken_back)


@settings(max_examples=200, deadline=None)
@given(document=programmes(), said=sales, shares=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_rule_13_any_split_ends_exactly_at_zero(document: dict[str, Any], said: Sale, shares: list[int]) -> None:
    snapped = terms(document, said)
    earned, taken_back, clawed_back = earning.award(snapped), Decimal(0), 0
    for number in range(1, len(shares) + 1):
        taken_back = said.total * sum(shares[:number]) / sum(shares)
        clawed_back += earning.clawback(snapped, earned=earned, taken_back=taken_back, clawed_back=clawed_back)
        assert clawed_back <= earned
    assert clawed_back == earned


@settings(max_examples=200, deadline=None)
@given(document=programmes(), said=sales)
def test_every_rule_is_in_the_breakdown_or_says_why_not(document: dict[str, Any], said: Sale) -> None:
    programme = Programme.model_validate(document)
    snapped = terms(document, said)
    silent = earning.passed_over(said, programme, earning.NEWCOMER, snapped)
    named = [part.rule for part in earning.breakdown(snapped)] + [each.rule for each in silent]
    assert len(named) == len(set(named))
    assert {each["name"] for each in document["rules"] + document["campaigns"]} <= set(named)
