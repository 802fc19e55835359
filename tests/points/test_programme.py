"""The programme as a shop works on it: versions, differences, a draft tried on the past, campaigns, why rules gave nothing."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points.programme import Programme, faults
from services.points.rules import trial
from services.points.service import PointsService
from services.points.verification import verify
from shared.differences import Difference, differences
from shared.documents import BEGINNING, TIME_ZONES
from tests.points.asking import pointers, refusal, rows
from tests.points.conftest import NOW, publish
from tests.processes import command

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
WINE = {"name": "wine", "categories": ["wine"], "multiplier": "2"}
BONUS = {"name": "bonus", "points": 10}
TIERS = {"levels": [{"name": "Basic", "threshold": 0}, {"name": "Gold", "threshold": 1000}]}


@pytest.fixture
async def client(client: httpx.AsyncClient, points: PointsService) -> httpx.AsyncClient:
    """The API on the day of the tests."""
    points.clock = lambda: NOW
    return client


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was tried, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


async def buy(client: httpx.AsyncClient, invoice: str = "R-1", total: str = "100.00", **more: Any) -> dict[str, Any]:
    said = {"shop_id": "shop", "invoice_number": invoice, "customer_id": "c-1", "currency": "EUR", "total": total}
    answer = await client.post("/v1/purchases", json=said | {"occurred_at": NOW.isoformat()} | more)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def sampled() -> Iterator[str]:
    """Return the invoice numbers that are in the sample."""
    return (f"R-{number}" for number in count() if crc32(f"shop/R-{number}".encode()) % 16 == 0)


async def put(client: httpx.AsyncClient, **programme: Any) -> httpx.Response:
    return await client.put("/v1/programme", json={"programme": programme})


# Versions


async def test_versions_are_listed_and_read(client: httpx.AsyncClient) -> None:
    for rate in "234":
        assert (await put(client, rates={"EUR": rate})).status_code == 201
    first = (await client.get("/v1/programme/versions", params={"limit": 3})).json()
    assert [each["version"] for each in first["data"]] == [4, 3, 2]
    assert first["data"][0]["published_by"] == "open API"
    rest = (await client.get("/v1/programme/versions", params={"cursor": first["next_cursor"]})).json()
    assert ([each["version"] for each in rest["data"]], rest["next_cursor"]) == ([1], None)
    third = (await client.get("/v1/programme/versions/3")).json()
    assert (third["programme"]["rates"], third["valid_from"]) == ({"EUR": "3"}, "2026-11-23T12:00:00Z")
    assert (await client.get("/v1/programme")).json()["version"] == 4


async def test_a_version_that_was_never_published_is_not_found(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/v1/programme/versions/2"), 404, "version-unknown")
    refusal(await client.get("/v1/programme/diff", params={"before": 1, "after": 2}), 404, "version-unknown")
    refusal(await client.get("/v1/programme/versions/0"), 422, "request-invalid")
    refusal(await client.get("/v1/programme/versions/99999999999"), 422, "request-invalid")


WHOLE: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "rates": {"EUR": "1", "CHF": "0.9"},
    "rules": [WINE | {"hours": {"from": "18:00", "until": "02:00"}, "weekdays": ["fri"], "minimum": "20.00"}],
    "campaigns": [
        {
            "name": "advent",
            "factor": "0.5",
            "valid_from": "2026-12-01T00:00:00+01:00",
            "valid_until": "2027-01-01T00:00:00+01:00",
            "early_access": {"tiers": ["Gold"], "valid_from": "2026-11-28T00:00:00+01:00"},
            "per_customer": {"points": 500},
            "budget": {"points": 100_000, "awards": 1000},
        }
    ],
    "expiry": {"model": "after_earning", "months": 24, "rounded_to": "year"},
    "tiers": TIERS | {"counts": "points", "window": "rolling_year"},
    "pending_days": 14,
}


async def test_a_whole_programme_can_be_read_and_published_again(client: httpx.AsyncClient) -> None:
    published = (await put(client, **WHOLE)).json()
    assert published["programme"]["rules"][0]["hours"] == {"from": "18:00", "until": "02:00"}
    again = await put(client, **published["programme"])
    assert (again.status_code, again.json()) == (200, published)
    read = (await client.get("/v1/programme/versions/2")).json()
    assert read["programme"] == published["programme"]


@pytest.mark.parametrize("valid_from", [BEGINNING, dt.datetime.max.replace(tzinfo=dt.UTC)])
async def test_a_version_can_be_valid_from_the_first_and_the_last_instant_of_all(
    client: httpx.AsyncClient, engine: AsyncEngine, valid_from: dt.datetime
) -> None:
    await publish(engine, Programme.model_validate({"rates": {"EUR": "2"}}), valid_from=valid_from)
    shown = (await client.get("/v1/programme/versions/2")).json()
    assert dt.datetime.fromisoformat(shown["valid_from"]) == valid_from
    assert (await buy(client))["points"] == (200 if valid_from == BEGINNING else 100)


# What is wrong with one


FAULTY = [
    ({"tiers": {"levels": [{"name": "A", "threshold": 1}]}}, "/tiers/levels/0/threshold", "tiers-out-of-order"),
    (
        {"tiers": {"levels": [*TIERS["levels"], {"name": "Top", "threshold": 10}]}},
        "/tiers/levels/2/threshold",
        "tiers-out-of-order",
    ),
    ({"tiers": {"levels": [TIERS["levels"][0], {"name": "Basic", "threshold": 10}]}}, "/tiers/levels", "name-taken"),
    ({"tiers": TIERS | {"counts": "spend"}}, "/tiers/counts", "spend-in-currencies"),
    ({"rules": [WINE, WINE]}, "/rules/1/name", "name-taken"),
    ({"rules": [WINE | {"name": "base"}]}, "/rules/0/name", "name-taken"),
    ({"rules": [WINE], "campaigns": [{"name": "wine", "points": 5}]}, "/campaigns/0/name", "name-taken"),
    ({"rules": [WINE | {"tiers": ["Gold"]}]}, "/rules/0/tiers/0", "tier-unknown"),
    (
        {"rules": [WINE | {"valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}]},
        "/rules/0/valid_until",
        "window-empty",
    ),
    ({"rules": [WINE | {"hours": {"from": "10:00", "until": "10:00"}}]}, "/rules/0/hours/until", "window-empty"),
    ({"campaigns": [{"name": "x"}]}, "/campaigns/0/points", "bonus-unclear"),
    ({"campaigns": [{"name": "x", "points": 5, "factor": "1"}]}, "/campaigns/0/points", "bonus-unclear"),
    ({"campaigns": [{"name": "x", "points": 5, "budget": {}}]}, "/campaigns/0/budget", "cap-empty"),
    (
        {
            "tiers": TIERS,
            "campaigns": [
                {"name": "x", "points": 5, "early_access": {"tiers": ["Gold"], "valid_from": "2026-01-01T00:00:00Z"}}
            ],
        },
        "/campaigns/0/early_access/valid_from",
        "not-early",
    ),
    ({"pending_days": 28, "expiry": {"model": "after_earning", "months": 1}}, "/pending_days", "expires-while-pending"),
]


@pytest.mark.parametrize(("programme", "pointer", "code"), FAULTY)
async def test_a_programme_that_does_not_fit_together_is_refused_with_the_place(
    client: httpx.AsyncClient, programme: dict[str, Any], pointer: str, code: str
) -> None:
    problem = refusal(await put(client, **programme), 422, "programme-faulty")
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [(f"/programme{pointer}", code)]
    tried = (await client.post("/v1/programme/preview", json={"programme": programme})).json()
    assert [(each["pointer"], each["code"]) for each in tried["faults"]] == [(f"/programme{pointer}", code)]
    assert tried["sample"] is None
    assert (await client.get("/v1/programme")).json()["version"] == 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"time_zone": "Europe/Atlantis"}, "/time_zone"),
        ({"time_zone": "europe/berlin"}, "/time_zone"),
        ({"pending_days": "14"}, "/pending_days"),
        ({"pending_days": True}, "/pending_days"),
        ({"enrol_buyers": "yes"}, "/enrol_buyers"),
        ({"rules": [WINE | {"hours": {"from": "24:00", "until": "10:00"}}]}, "/rules/0/hours/from"),
        ({"rules": [WINE | {"multiplyer": "3"}]}, "/rules/0/multiplyer"),
        ({"campaigns": [{"name": "x", "factor": "0.0"}]}, "/campaigns/0/factor"),
        ({"tiers": {"levels": [{"name": "A", "threshold": 0, "benefits": ["a\x00b"]}]}}, "/tiers/levels/0/benefits/0"),
    ],
)
async def test_a_field_that_is_wrong_is_named(client: httpx.AsyncClient, wrong: dict[str, Any], pointer: str) -> None:
    for path in ("preview", "diff"):
        answer = await client.post(f"/v1/programme/{path}", json={"programme": wrong})
        assert pointers(refusal(answer, 422, "request-invalid")) == {f"/programme{pointer}"}


def test_every_time_zone_that_is_offered_is_there() -> None:
    for name in TIME_ZONES:
        assert Programme(time_zone=name).zone.key == name


# Differences


def test_programmes_that_are_the_same_do_not_differ() -> None:
    assert differences(Programme.model_validate(WHOLE), Programme.model_validate(WHOLE)) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"rates": {"EUR": "1", "GBP": "2"}}, [("/rates/CHF", "0.9", None), ("/rates/GBP", None, "2")]),
        ({"pending_days": 0}, [("/pending_days", 14, 0)]),
        ({"rules": [WINE], "campaigns": []}, [
            ("/rules/0/weekdays", ["fri"], []),
            ("/rules/0/hours", {"from": "18:00", "until": "02:00"}, None),
            ("/rules/0/minimum", "20.00", "0"),
            ("/campaigns/0", ..., None),
        ]),
        ({"rules": [{"name": "new", "multiplier": "3"}, *WHOLE["rules"]]}, [("/rules/0", None, ...)]),
        ({"tiers": WHOLE["tiers"] | {"levels": [TIERS["levels"][0], {"name": "Gold", "threshold": 1, "benefits": ["a"]}]}}, [
            ("/tiers/levels/1/threshold", 1000, 1),
            ("/tiers/levels/1/benefits", [], ["a"]),
        ]),
        ({"tiers": None, "campaigns": []}, [("/campaigns/0", ..., None), ("/tiers", ..., None)]),
    ],
)  # fmt: skip
def test_every_difference_has_its_place_and_both_values(
    changed: dict[str, Any], expected: list[tuple[str, Any, Any]]
) -> None:
    found = differences(Programme.model_validate(WHOLE), Programme.model_validate(WHOLE | changed))
    shown = [
        tuple(
            ... if wanted is ... else value
            for value, wanted in zip((each.pointer, each.before, each.after), one, strict=True)
        )
        for each, one in zip(found, expected, strict=True)
    ]
    assert shown == expected


def test_another_order_is_a_difference_too() -> None:
    two = [WINE, WINE | {"name": "a/b"}]
    found = differences(Programme.model_validate({"rules": two}), Programme.model_validate({"rules": two[::-1]}))
    assert found == [Difference("/rules", ["wine", "a/b"], ["a/b", "wine"])]


def test_values_are_compared_and_not_their_spelling() -> None:
    same = {"minimum": "5", "campaigns": [BONUS | {"valid_from": "2026-12-01T00:00:00+01:00"}]}
    other = {"minimum": "5.00", "campaigns": [BONUS | {"valid_from": "2026-11-30T23:00:00Z"}]}
    assert differences(Programme.model_validate(same), Programme.model_validate(other)) == []


async def test_versions_and_drafts_are_compared(client: httpx.AsyncClient) -> None:
    await put(client, rates={"EUR": "2"})
    await put(client, rates={"EUR": "3"})
    between = (await client.get("/v1/programme/diff", params={"before": 2, "after": 3})).json()
    assert between == {"data": [{"pointer": "/rates/EUR", "before": "2", "after": "3"}]}
    draft = {"programme": {"rates": {"EUR": "3"}, "claim_days": 5}}
    with_draft = (await client.post("/v1/programme/diff", json=draft)).json()
    assert with_draft == {"data": [{"pointer": "/claim_days", "before": 30, "after": 5}]}


# A draft tried on the past


async def try_out(client: httpx.AsyncClient, *, largest: int = 10, open_windows: bool = False, **programme: Any) -> Any:
    said = {"programme": programme, "largest": largest, "open_windows": open_windows}
    answer = await client.post("/v1/programme/preview", json=said)
    assert answer.status_code == 200, answer.text
    assert answer.json()["faults"] == []
    return answer.json()["sample"]


async def test_a_draft_shows_what_it_would_have_changed(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    invoices = sampled()
    line = {"sku": "A-1", "category": "wine", "amount": "60.00"}
    other = {"sku": "B-1", "category": "food", "amount": "40.00"}
    await buy(client, next(invoices), lines=[line, other])
    await buy(client, next(invoices), "30.00", customer_id="c-2")
    before = await rows(engine, "SELECT count(*) FROM entry")
    tried = await try_out(client, rules=[WINE], campaigns=[{"name": "hello", "points": 10, "first_purchase": True}])
    assert tried["purchases"] == tried["changed"] == 2
    assert tried["points"] == {"before": 130, "after": 210}
    assert {each["rule"]: (each["before"], each["after"]) for each in tried["rules"]} == {
        "base": (130, 130),
        "wine": (0, 60),
        "hello": (0, 20),
    }
    assert [each["points"]["after"] - each["points"]["before"] for each in tried["largest"]] == [70, 10]
    assert tried["largest"][0]["after"] == [
        {"rule": "base", "points": 100},
        {"rule": "wine", "points": 60},
        {"rule": "hello", "points": 10},
    ]
    assert (await client.get("/v1/programme")).json()["version"] == 1
    assert await rows(engine, "SELECT count(*) FROM entry") == before


async def test_what_begins_later_shows_what_it_would_do_where_windows_are_open(client: httpx.AsyncClient) -> None:
    await buy(client, next(sampled()))
    advent = {"name": "advent", "points": 10, "valid_from": "2026-12-01T00:00:00Z"}
    assert (await try_out(client, campaigns=[advent]))["changed"] == 0
    assert (await try_out(client, campaigns=[advent], open_windows=True))["points"] == {"before": 100, "after": 110}


async def test_the_tier_of_the_day_is_the_tier_of_the_trial(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await publish(engine, Programme.model_validate({"tiers": TIERS}), valid_from=EARLY)
    await buy(client, "to-gold", "1000.00")
    await buy(client, next(sampled()))
    levels = [TIERS["levels"][0], TIERS["levels"][1] | {"multiplier": "1.5"}]
    tried = await try_out(client, tiers=TIERS | {"levels": levels})
    assert tried["points"] == {"before": 100, "after": 150}


async def test_a_currency_without_a_rate_in_the_draft_is_counted(client: httpx.AsyncClient) -> None:
    await buy(client, next(sampled()), currency="CHF")
    tried = await try_out(client, rates={"EUR": "1"})
    assert (tried["refused"], tried["points"], tried["largest"][0]["after"]) == (1, {"before": 100, "after": 0}, None)


async def test_no_more_than_asked_for_is_shown_and_nothing_where_there_is_no_past(client: httpx.AsyncClient) -> None:
    assert (await try_out(client, rates={"EUR": "2"}))["purchases"] == 0
    for _, invoice in zip(range(3), sampled(), strict=False):
        await buy(client, invoice)
    tried = await try_out(client, rates={"EUR": "2"}, largest=2)
    assert (tried["purchases"], len(tried["largest"])) == (3, 2)


async def test_a_trial_ends_after_so_many_steps(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, invoice in zip(range(4), sampled(), strict=False):
        await buy(client, invoice)
    monkeypatch.setattr(trial, "MOST_STEPS", 4)
    assert (await try_out(client, rules=[WINE]))["purchases"] == 2


async def test_about_one_in_sixteen_is_kept_and_nothing_personal_of_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    personal: dict[str, Any] = {"coupon_codes": ["SECRET-1"], "referral_code": "SECRET-2", "companion_id": "SECRET-3"}
    for number in range(64):
        await buy(client, f"R-{number}", **personal)
    kept = await rows(engine, "SELECT invoice_number, sample::text AS sample FROM purchase WHERE sample IS NOT NULL")
    expected = [invoice for _, invoice in zip(range(64), sampled(), strict=False) if int(invoice[2:]) < 64]
    assert sorted(each["invoice_number"] for each in kept) == sorted(expected)
    assert 1 <= len(kept) <= 10
    for each in kept:
        assert not {"c-1", "SECRET"} & set(each["sample"].replace('"', " ").replace("-", " ").split())
        assert set(orjson.loads(each["sample"])) == {"occurred_at", "is_first", "purchase"}


async def test_the_sample_stays_when_a_purchase_is_claimed_and_refunded(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    invoice = next(sampled())
    await client.post("/v1/accounts", json={"customer_id": "c-1"})
    await buy(client, invoice, customer_id=None)
    assert await rows(engine, "SELECT 1 FROM purchase WHERE sample IS NOT NULL") == []
    await client.post(f"/v1/purchases/shop/{invoice}/claim", json={"customer_id": "c-1"})
    said = {"refund_id": "1", "currency": "EUR", "amount": "33.33"}
    assert (await client.post(f"/v1/purchases/shop/{invoice}/refunds", json=said)).status_code == 201
    assert len(await rows(engine, "SELECT 1 FROM purchase WHERE sample IS NOT NULL")) == 1
    assert (await try_out(client, rates={"EUR": "2"}))["points"] == {"before": 100, "after": 200}


# Campaigns


def around(begins: int | None, ends: int | None, early: int | None = None, **more: Any) -> dict[str, Any]:
    """A campaign from and until so many days from now, for some from an earlier day on."""
    said: dict[str, Any] = {"name": "campaign", "points": 10} | more
    for name, days in (("valid_from", begins), ("valid_until", ends)):
        if days is not None:
            said[name] = (NOW + days * DAY).isoformat()
    if early is not None:
        said["early_access"] = {"tiers": ["Gold"], "valid_from": (NOW + early * DAY).isoformat()}
    return said


@pytest.mark.parametrize(
    ("campaign", "state"),
    [
        (around(None, None), "running"),
        (around(0, 1), "running"),
        (around(1, 2), "coming"),
        (around(2, 3, early=1), "coming"),
        (around(1, 2, early=-1), "early_access"),
        (around(-2, 0), "over"),
        (around(-2, 2, budget={"awards": 2}), "used_up"),
        (around(-2, 2, budget={"points": 20}), "used_up"),
        (around(-2, 2, budget={"points": 21}), "running"),
    ],
)
async def test_a_campaign_says_where_it_is(
    client: httpx.AsyncClient, engine: AsyncEngine, campaign: dict[str, Any], state: str
) -> None:
    await publish(engine, Programme.model_validate({"tiers": TIERS, "campaigns": [campaign]}), valid_from=EARLY)
    for number in range(2):
        await buy(client, f"R-{number}", occurred_at=(NOW - DAY).isoformat())
    (shown,) = (await client.get("/v1/campaigns")).json()["data"]
    assert shown["state"] == state


async def test_a_campaign_shows_what_it_gave_and_what_its_budget_has_left(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    listed = [around(None, None, budget={"points": 25}), {"name": "other", "factor": "1"}]
    await publish(engine, Programme.model_validate({"campaigns": listed}), valid_from=EARLY)
    await buy(client, "R-1")
    await buy(client, "R-2")
    await buy(client, "R-3", customer_id="c-2")
    first, second = (await client.get("/v1/campaigns")).json()["data"]
    assert first["given"] == {"points": 25, "awards": 3, "customers": 2}
    assert (first["budget"], first["left"]) == ({"points": 25, "awards": None}, {"points": 0, "awards": None})
    assert (second["given"]["points"], second["budget"], second["left"]) == (300, None, None)


async def test_a_programme_without_campaigns_lists_none(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/campaigns")).json() == {"data": [], "next_cursor": None}


# Why a rule gives nothing


LINES = [{"sku": "A-1", "category": "wine", "amount": "60.00"}, {"sku": "B-1", "category": "food", "amount": "40.00"}]


@pytest.mark.parametrize(
    ("said", "programme", "expected"),
    [
        ({}, {"rules": [WINE]}, {}),
        ({}, {"rules": [WINE | {"categories": ["toys"]}]}, {"wine": "lines"}),
        ({"lines": []}, {"rules": [WINE]}, {"wine": "lines"}),
        ({}, {"rules": [WINE | {"minimum": "60.01"}]}, {"wine": "minimum"}),
        ({}, {"rules": [WINE | {"minimum": "60.00"}]}, {}),
        ({}, {"rules": [WINE | {"channels": ["app"]}]}, {"wine": "channel"}),
        ({"channel": "app"}, {"rules": [WINE | {"channels": ["app"]}]}, {}),
        ({}, {"rules": [WINE | {"shops": ["another"]}]}, {"wine": "shop"}),
        ({}, {"rules": [WINE | {"weekdays": ["sun"]}]}, {"wine": "weekday"}),
        ({}, {"rules": [WINE | {"hours": {"from": "13:00", "until": "12:00"}}]}, {"wine": "hours"}),
        ({}, {"rules": [WINE | {"hours": {"from": "13:00", "until": "12:00"}}], "time_zone": "Europe/Berlin"}, {}),
        ({}, {"rules": [WINE | {"valid_from": "2026-11-24T00:00:00Z"}]}, {"wine": "window"}),
        ({}, {"rules": [WINE | {"valid_until": NOW.isoformat()}]}, {"wine": "window"}),
        ({}, {"rules": [WINE | {"tiers": ["Gold"]}], "tiers": TIERS}, {"wine": "tier"}),
        ({}, {"rules": [WINE, WINE | {"name": "better", "multiplier": "3"}]}, {"wine": "outdone"}),
        ({}, {"rules": [WINE, WINE | {"name": "food too", "categories": ["wine", "food"], "multiplier": "3"}]}, {"wine": "outdone"}),
        ({}, {"rules": [WINE | {"multiplier": "1"}]}, {"wine": "no-effect"}),
        ({"total": "0.40", "lines": []}, {"campaigns": [{"name": "bonus", "factor": "2"}]}, {"bonus": "no-effect"}),
        ({"shipping": "100.00"}, {"rules": [WINE], "campaigns": [BONUS]}, {"wine": "nothing-counts", "bonus": "nothing-counts"}),
        ({}, {"minimum": "101", "rules": [WINE], "campaigns": [BONUS]}, {"wine": "purchase-minimum", "bonus": "purchase-minimum"}),
        ({}, {"campaigns": [BONUS | {"first_purchase": True}]}, {"bonus": "first-purchase"}),
        ({"customer_id": "c-2"}, {"campaigns": [BONUS | {"first_purchase": True}]}, {}),
        ({}, {"campaigns": [BONUS | {"per_customer": {"awards": 1}}]}, {"bonus": "cap-reached"}),
        ({"customer_id": "c-2"}, {"campaigns": [BONUS | {"per_customer": {"awards": 1}}]}, {}),
        ({"customer_id": "c-2"}, {"campaigns": [BONUS | {"budget": {"awards": 1}}]}, {"bonus": "cap-reached"}),
        ({}, {"campaigns": [BONUS | {"minimum": "100.01"}]}, {"bonus": "minimum"}),
    ],
)  # fmt: skip
async def test_a_preview_says_why_a_rule_gives_nothing(
    client: httpx.AsyncClient,
    engine: AsyncEngine,
    said: dict[str, Any],
    programme: dict[str, Any],
    expected: dict[str, str],
) -> None:
    parsed = Programme.model_validate(programme)
    assert faults(parsed) == []
    await publish(engine, parsed, valid_from=EARLY)
    await buy(client, "R-0", "200.00")
    asked = {"shop_id": "shop", "invoice_number": "R-1", "customer_id": "c-1", "currency": "EUR", "total": "100.00"}
    more = {"lines": LINES, "occurred_at": NOW.isoformat()} | said
    answer = await client.post("/v1/purchases/preview", json=asked | more)
    assert answer.status_code == 200, answer.text
    found = answer.json()["passed_over"]
    assert {each["rule"]: each["code"] for each in found} == expected
    assert all(each["detail"] for each in found)


async def test_a_cap_that_leaves_nothing_says_so_in_the_breakdown(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    capped = Programme.model_validate({"campaigns": [BONUS | {"per_customer": {"points": 10}}]})
    await publish(engine, capped, valid_from=EARLY)
    await buy(client, "R-0")
    bought = await buy(client, "R-1")
    assert bought["breakdown"][1] == {"rule": "bonus", "points": 0, "capped_from": 10}


# By command


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    file = tmp_path / "programme.json"
    file.write_bytes(orjson.dumps(WHOLE))
    return file


def test_a_programme_is_worked_on_by_command(database_url: str, draft: Path) -> None:
    loyalty = partial(command, "programme", points_database_url=database_url)
    assert loyalty("check", str(draft)).stdout == "the programme fits together\n"
    differing = orjson.loads(loyalty("diff", str(draft), "--json").stdout)
    assert {"pointer": "/pending_days", "before": 0, "after": 14} in differing
    published = loyalty("publish", str(draft))
    assert published.stdout.startswith("published: version 2, valid from ")
    assert loyalty("publish", str(draft)).stdout.startswith("nothing changes: it is version 2")
    shown = loyalty("show")
    assert shown.stderr.startswith("version 2")
    draft.write_text(shown.stdout)
    assert loyalty("diff", str(draft)).stdout == "nothing differs\n"
    listed = orjson.loads(loyalty("versions", "--json").stdout)
    assert [each["version"] for each in listed] == [2, 1]
    assert orjson.loads(loyalty("show", "--version", "1").stdout)["pending_days"] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ('{"pending_days": "x"}', "/pending_days: Input should be a valid integer"),
        ('{"rules": [{"name": "base", "multiplier": "2"}]}', "/rules/0/name: 'base' is the name of something else"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(draft: Path, content: str, said: str) -> None:
    draft.write_text(content)
    checked = command("programme", "check", str(draft))
    assert (checked.returncode, checked.stdout) == (1, "")
    assert said in checked.stderr


def test_no_command_publishes_into_the_past_or_the_end_of_time_or_shows_what_is_not_there(
    database_url: str, draft: Path
) -> None:
    past = command(
        "programme", "publish", str(draft), "--valid-from", "2020-01-01T00:00:00Z", points_database_url=database_url
    )
    assert (past.returncode, "choose a later instant" in past.stderr) == (1, True)
    never = command(
        "programme",
        "publish",
        str(draft),
        "--valid-from",
        "9999-12-31T23:00:00-02:00",
        points_database_url=database_url,
    )
    assert (never.returncode, "before the year 2200" in never.stderr) == (2, True)
    missing = command("programme", "show", "--version", "7", points_database_url=database_url)
    assert (missing.returncode, "no version 7" in missing.stderr) == (1, True)
