"""Partners over REST: opened, given codes and terms, their statements read in three forms, and paid once."""

import asyncio
import csv
import datetime as dt
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.referrals.app import create_app
from services.referrals.commands import Request
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.database import create_engine, fetch
from shared.errors import MEDIA_TYPE
from tests.referrals.asking import days
from tests.referrals.conftest import CONTACTS, NOW, claim, purchase, refund

TERMS = {"commission": {"kind": "share", "percent": "7.5"}, "months": 12}
DRAFT = {"partner_id": "wine", "name": "=The Wine Blog", "language": "de", "terms": TERMS}
PAID = {"reference": "SEPA-4711"}


class Clock:
    """Shows what a test sets it to."""

    now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def referrals(referrals_url: str, clock: Clock) -> AsyncIterator[ReferralsService]:
    engine = create_engine(referrals_url, name="api", pool_size=5)
    service = ReferralsService(engine, contacts=CONTACTS, clock=clock)
    yield service
    await service.close()


@pytest.fixture
async def client(referrals: ReferralsService) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(referrals, ReferralsSettings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/v1") as asking:
        yield asking


@pytest.fixture
async def statement(client: httpx.AsyncClient, referrals: ReferralsService, clock: Clock) -> str:
    """A partner with a commission of December, part of which was taken back; where its statement is."""
    await client.post("/partners", json=DRAFT)
    await client.post("/partners/wine/codes", json={"vanity": "wineblog24"})
    await referrals.book([Request([claim(spelled="WINEBLOG24"), purchase("=R-1", "119.00"), purchase("R-2", at=1)])])
    clock.now = NOW + days(30.5)
    await referrals.book([Request([refund("R-2", "60.00")])])
    return "/partners/wine/statements/2026-12"


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    document: dict[str, Any] = answer.json()
    assert document["code"] == code
    return document


async def test_a_partner_is_opened_once_and_a_repeat_answers_as_the_first_time(client: httpx.AsyncClient) -> None:
    opened = await client.post("/partners", json=DRAFT, headers={"Idempotency-Key": "k"})
    assert (opened.status_code, opened.json()["terms_version"]) == (201, 1)
    assert opened.json()["terms"]["hold_days"] == 30
    replayed = await client.post("/partners", json=DRAFT, headers={"Idempotency-Key": "k"})
    assert (replayed.status_code, replayed.content) == (201, opened.content)
    same = await client.post("/partners", json=DRAFT)
    assert (same.status_code, same.json()) == (200, opened.json())
    refusal(await client.post("/partners", json=DRAFT | {"name": "Another"}), 409, "partner-exists")
    assert (await client.get("/partners/wine")).json() == opened.json()
    refusal(await client.get("/partners/beer"), 404, "partner-unknown")


async def test_terms_change_for_later_claims_and_their_faults_are_named(client: httpx.AsyncClient) -> None:
    await client.post("/partners", json=DRAFT)
    changed = await client.put("/partners/wine/terms", json={"terms": TERMS | {"months": None}})
    assert (changed.status_code, changed.json()["terms_version"]) == (201, 2)
    again = await client.put("/partners/wine/terms", json={"terms": TERMS | {"months": None}})
    assert (again.status_code, again.json()["terms_version"]) == (200, 2)
    refusal(
        await client.put("/partners/wine/terms", json={"terms": TERMS | {"currency": "CHF"}}),
        409,
        "partner-currency-fixed",
    )
    coins = {"commission": {"kind": "fixed", "amount": "1.234"}}
    problem = refusal(await client.put("/partners/wine/terms", json={"terms": coins}), 422, "terms-faulty")
    assert problem["errors"][0]["pointer"] == "/terms/commission/amount"
    refusal(await client.put("/partners/beer/terms", json={"terms": TERMS}), 404, "partner-unknown")


async def test_codes_are_drawn_or_chosen_and_belong_to_one(client: httpx.AsyncClient) -> None:
    for name in ("wine", "beer"):
        await client.post("/partners", json=DRAFT | {"partner_id": name})
    drawn = await client.post("/partners/wine/codes", json={})
    assert (drawn.status_code, len(drawn.json()["code"])) == (201, 9)
    chosen = await client.post("/partners/wine/codes", json={"vanity": "wine blog 24"})
    assert (chosen.status_code, chosen.json()["code"]) == (201, "WINEBLOG24")
    assert (await client.post("/partners/wine/codes", json={"vanity": "WINEBLOG24"})).status_code == 200
    refusal(await client.post("/partners/beer/codes", json={"vanity": "WINEBLOG24"}), 409, "code-taken")
    refusal(await client.post("/partners/beer/codes", json={"vanity": "BEERBLOG"}), 422, "vanity-unfit")
    listed = [each["code"] for each in (await client.get("/partners/wine/codes")).json()["data"]]
    assert listed == [drawn.json()["code"], "WINEBLOG24"]


async def test_partners_are_listed_by_pages_without_those_that_are_retired(client: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c", "d"):
        await client.post("/partners", json=DRAFT | {"partner_id": name})
    retired = await client.post("/partners/b/retire", json={"reason": "contract ended"})
    assert retired.status_code == 201
    assert (await client.post("/partners/b/retire", json={"reason": "again"})).json() == retired.json()
    refusal(await client.post("/partners/b/codes", json={}), 409, "partner-retired")
    refusal(await client.put("/partners/b/terms", json={"terms": TERMS}), 409, "partner-retired")
    first = (await client.get("/partners", params={"limit": 2})).json()
    second = (await client.get("/partners", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["partner_id"] for each in first["data"] + second["data"]] == ["a", "c", "d"]
    assert len((await client.get("/partners", params={"retired": True})).json()["data"]) == 4


async def test_commissions_are_listed_by_pages_and_by_state(client: httpx.AsyncClient, statement: str) -> None:
    first = (await client.get("/partners/wine/commissions", params={"limit": 1})).json()
    second = (
        await client.get("/partners/wine/commissions", params={"limit": 1, "cursor": first["next_cursor"]})
    ).json()
    shown = [(each["invoice_number"], each["status"], each["amount"]) for each in first["data"] + second["data"]]
    assert shown == [("R-2", "due", "3.00"), ("=R-1", "due", "8.92")]
    assert second["next_cursor"] is None
    assert (await client.get("/partners/wine/commissions", params={"status": "paid"})).json()["data"] == []
    assert statement


async def test_a_statement_says_what_became_due_and_what_was_taken_back(
    client: httpx.AsyncClient, statement: str, clock: Clock
) -> None:
    shown = (await client.get(statement)).json()
    assert [(each["invoice_number"], each["amount"]) for each in shown["lines"]] == [
        ("=R-1", "8.92"),
        ("R-2", "7.50"),
        ("R-2", "-4.50"),
    ]
    sums = ("opening_balance", "earned", "taken_back", "closing_balance", "status")
    assert [shown[name] for name in sums] == ["0.00", "16.42", "4.50", "11.92", "open"]
    assert shown["lines"][2] | {"booked_at": None} == {
        "number": 3,
        "occurred_at": "2026-11-23T13:00:00Z",
        "shop_id": "shop",
        "invoice_number": "R-2",
        "code": "WINEBLOG24",
        "sold": "100.00",
        "refunded": "60.00",
        "percent": "7.5",
        "amount": "-4.50",
        "reason": "refunded",
        "booked_at": None,
    }
    clock.now = NOW + days(60)
    following = (await client.get("/partners/wine/statements/2027-01")).json()
    assert (following["opening_balance"], following["lines"], following["status"]) == ("11.92", [], "open")
    assert (await client.get(statement)).json()["status"] == "due"


async def test_a_spreadsheet_takes_nothing_on_a_statement_for_a_formula(
    client: httpx.AsyncClient, statement: str
) -> None:
    answer = await client.get(statement, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(each["kind"], each["invoice_number"], each["amount"]) for each in table] == [
        ("opening", "", "0.00"),
        ("commission", "'=R-1", "8.92"),
        ("commission", "R-2", "7.50"),
        ("reversal", "R-2", "-4.50"),
        ("closing", "", "11.92"),
    ]


async def test_a_statement_can_be_printed_in_the_language_of_the_partner(
    client: httpx.AsyncClient, statement: str
) -> None:
    by_accept = await client.get(statement, headers={"Accept": "application/pdf"})
    by_format = await client.get(statement, params={"format": "pdf"}, headers={"Accept": "text/csv"})
    assert by_accept.headers["content-type"] == "application/pdf"
    assert by_accept.content.startswith(b"%PDF-")
    assert by_accept.content == by_format.content


async def test_a_statement_is_paid_once_with_its_reference(
    client: httpx.AsyncClient, statement: str, clock: Clock
) -> None:
    asked = f"{statement}/payout"
    refusal(await client.post(asked, json=PAID, headers={"Idempotency-Key": "0"}), 409, "month-not-over")
    clock.now = NOW + days(60)
    paid = await client.post(asked, json=PAID, headers={"Idempotency-Key": "1"})
    assert (paid.status_code, paid.json()["amount"]) == (201, "11.92")
    replayed = await client.post(asked, json=PAID, headers={"Idempotency-Key": "1"})
    assert (replayed.status_code, replayed.json()) == (201, paid.json())
    again = await client.post(asked, json=PAID, headers={"Idempotency-Key": "2"})
    assert (again.status_code, again.json()) == (200, paid.json())
    refusal(
        await client.post(asked, json={"reference": "other"}, headers={"Idempotency-Key": "3"}), 409, "statement-paid"
    )
    refusal(
        await client.post(asked, json={"reference": "x"}, headers={"Idempotency-Key": "1"}),
        409,
        "idempotency-key-reused",
    )
    shown = (await client.get(statement)).json()
    assert (shown["status"], shown["payout"]) == ("paid", paid.json())
    assert {each["status"] for each in (await client.get("/partners/wine/commissions")).json()["data"]} == {"paid"}
    assert (await client.get("/partners/wine/statements/2027-01")).json()["opening_balance"] == "0.00"
    assert (await client.get("/partners/wine")).json()["paid_through"] == "2026-12"


async def test_of_many_who_pay_at_once_one_does(client: httpx.AsyncClient, statement: str, clock: Clock) -> None:
    clock.now = NOW + days(60)
    answers = await asyncio.gather(
        *(
            client.post(f"{statement}/payout", json={"reference": f"T-{n}"}, headers={"Idempotency-Key": f"{n}"})
            for n in range(8)
        )
    )
    assert sorted(each.status_code for each in answers) == [201, *[409] * 7]


async def test_what_was_done_to_a_partner_stands_in_the_audit_trail(
    client: httpx.AsyncClient, statement: str, referrals: ReferralsService, clock: Clock
) -> None:
    clock.now = NOW + days(60)
    await client.post(f"{statement}/payout", json=PAID, headers={"Idempotency-Key": "1"})
    await client.post("/partners/wine/retire", json={"reason": "contract ended"})
    async with referrals.engine.connect() as connection:
        deeds = await fetch(connection, "SELECT action, subject, reason FROM audit ORDER BY id")
    assert [tuple(each) for each in deeds] == [
        ("partner.open", "wine", None),
        ("partner.code", "WINEBLOG24 of wine", None),
        ("partner.pay", "wine for 2026-12", "SEPA-4711"),
        ("partner.retire", "wine", "contract ended"),
    ]


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "26-01", "9999-12"])
async def test_only_months_have_statements(client: httpx.AsyncClient, month: str) -> None:
    await client.post("/partners", json=DRAFT)
    refusal(await client.get(f"/partners/wine/statements/{month}"), 422, "request-invalid")
