"""Surprises: a share of the purchases is drawn, by a secret that nobody can fish for and everybody can check afterwards."""

import asyncio
import datetime as dt
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.points import queries
from services.points.commands import Request
from services.points.ledger import Ledger
from services.points.programme import Programme
from services.points.rules import draws
from services.points.service import PointsService
from services.points.verification import verify
from shared.database import create_engine, fetch
from tests.points.asking import refusal, rows
from tests.points.conftest import NOW, Book, enrolment, publish, purchase, refund
from tests.processes import command

EARLY = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAYS = dt.timedelta(days=1)
SECRET = bytes(range(32))


@pytest.fixture(autouse=True)
async def _books_are_right(engine: AsyncEngine) -> AsyncIterator[None]:
    """Whatever was done, the books must be provable afterwards."""
    yield
    async with engine.connect() as connection:
        assert await verify(connection) == []


def surprise(**more: Any) -> Programme:
    campaign = {"name": "surprise", "points": 50, "share": "0.25"} | more
    return Programme.model_validate({"campaigns": [campaign]})


async def draw_by(engine: AsyncEngine, programme: Programme, secret: bytes = SECRET) -> None:
    """Publish a programme whose draw is known to the test."""
    async with engine.begin() as connection:
        await fetch(connection, "INSERT INTO draw_secret VALUES ('surprise', $1, now())", secret)
    await publish(engine, programme, valid_from=EARLY)


def is_drawn(invoice: str, share: str = "0.25") -> bool:
    """The draw as the page on surprises tells it."""
    digest = hashlib.sha256(SECRET + b"shop" + b"\x1f" + invoice.encode()).digest()
    return int.from_bytes(digest[:7], "big") < Decimal(share) * 2**56


DRAWN = [f"R-{n}" for n in range(200) if is_drawn(f"R-{n}")]
OTHERS = [f"R-{n}" for n in range(200) if not is_drawn(f"R-{n}")]


# The draw


def test_a_draw_takes_about_its_share() -> None:
    taken = sum(draws.draw(SECRET, "shop", f"R-{n}") < Decimal("0.05") * draws.OF for n in range(20_000))
    assert 900 < taken < 1_100


def test_no_two_purchases_are_drawn_as_one() -> None:
    assert draws.draw(SECRET, "a", "bc") != draws.draw(SECRET, "ab", "c")


async def test_drawn_purchases_get_the_extra_as_a_line_of_their_own(book: Book, engine: AsyncEngine) -> None:
    await draw_by(engine, surprise())
    outcomes = await book(*(purchase(invoice) for invoice in (*DRAWN[:3], *OTHERS[:3])))
    assert [each.purchase and each.purchase.points for each in outcomes] == [150] * 3 + [100] * 3
    (award,) = await rows(
        engine, f"SELECT award->'breakdown' AS lines FROM purchase WHERE invoice_number = '{DRAWN[0]}'"
    )
    assert award["lines"] == [{"rule": "base", "points": 100}, {"rule": "surprise", "points": 50}]


async def test_a_redelivery_draws_the_same(book: Book, engine: AsyncEngine) -> None:
    await draw_by(engine, surprise())
    for turn in range(3):
        outcomes = await book(*(purchase(invoice, event=f"{invoice}-{turn}") for invoice in (DRAWN[0], OTHERS[0])))
        assert [each.purchase and each.purchase.points for each in outcomes] == [150, 100]


async def test_a_purchase_that_waited_for_its_customer_draws_the_same(book: Book, engine: AsyncEngine) -> None:
    await draw_by(engine, surprise())
    await book(purchase(DRAWN[0], customer=None, card_number="SHOP-9"))
    await book(enrolment("c-1", "SHOP-9"))
    assert await rows(engine, "SELECT available FROM account") == [{"available": 150}]


async def test_conditions_hold_for_surprises_too(book: Book, engine: AsyncEngine) -> None:
    await draw_by(engine, surprise(minimum="50.00", valid_until="2026-11-23T09:15:00Z"))
    early = {"occurred_at": "2026-11-23T09:14:59Z"}
    outcomes = await book(purchase(DRAWN[0], **early), purchase(DRAWN[1], total="49.99", **early), purchase(DRAWN[2]))
    assert [each.purchase and each.purchase.points for each in outcomes] == [150, 49, 100]


async def test_rule_13_a_surprise_is_taken_back_with_its_purchase(book: Book, engine: AsyncEngine) -> None:
    await draw_by(engine, surprise(minimum="60.00"))
    await book(purchase(DRAWN[0]))
    await publish(engine, Programme(), valid_from=NOW)
    await book(refund(DRAWN[0], "30.00", "1"))
    assert await rows(engine, "SELECT available FROM account") == [{"available": 120}]
    await book(refund(DRAWN[0], "70.00", "2"))
    assert await rows(engine, "SELECT available FROM account") == [{"available": 0}]


async def test_a_budget_ends_surprises_also_of_two_processes_at_once(
    points: PointsService, database_url: str, engine: AsyncEngine
) -> None:
    await draw_by(engine, surprise(budget={"points": 120}, per_customer={"awards": 2}))
    ledgers = [points, PointsService(create_engine(database_url, name="second process", pool_size=5))]
    bought = enumerate((*DRAWN[:10], *OTHERS[:10]))
    requests = [(n, Request([purchase(invoice, customer=f"c-{n % 5}")])) for n, invoice in bought]
    await asyncio.gather(*(ledgers[n % 2].submit(request) for n, request in requests))
    await ledgers[1].close()
    given = await rows(engine, "SELECT points, awards FROM campaign_budget")
    assert given == [{"points": 120, "awards": 3}]


# Nobody can fish for it


async def test_every_new_surprise_has_a_secret_of_its_own_and_keeps_it(engine: AsyncEngine) -> None:
    await publish(engine, surprise(), valid_from=EARLY)
    (first,) = await rows(engine, "SELECT secret FROM draw_secret")
    await publish(engine, surprise(share="0.5"), valid_from=NOW)
    assert await rows(engine, "SELECT secret FROM draw_secret") == [first]
    assert len(first["secret"]) == 32


async def test_a_preview_shows_a_surprise_as_possible_and_no_more(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await draw_by(engine, surprise())
    await book(enrolment())
    seen = []
    for invoice in (DRAWN[0], OTHERS[0]):
        said = {"shop_id": "shop", "invoice_number": invoice, "customer_id": "c-1", "currency": "EUR"}
        shown = (await client.post("/v1/purchases/preview", json=said | {"total": "100.00"})).json()
        seen.append((shown["points"], shown["passed_over"]))
    assert seen[0] == seen[1]
    assert (seen[0][0], [each["code"] for each in seen[0][1]]) == (100, ["draw"])


async def test_a_preview_of_a_purchase_of_nobody_does_not_show_the_draw_either(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await draw_by(engine, surprise())
    said = {"shop_id": "shop", "invoice_number": DRAWN[0], "currency": "EUR", "total": "100.00"}
    assert (await client.post("/v1/purchases", json=said)).json()["status"] == "unclaimed"
    shown = (await client.post("/v1/purchases/preview", json=said | {"customer_id": "c-1"})).json()
    assert shown["points"] == 100
    booked = (await client.post("/v1/purchases", json=said | {"customer_id": "c-1"})).json()
    assert booked["points"] == 150


async def test_the_secret_is_committed_to_and_shown_nowhere(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await draw_by(engine, surprise())
    (campaign,) = (await client.get("/v1/campaigns")).json()["data"]
    assert campaign["draw"] == {"share": "0.25", "commitment": hashlib.sha256(SECRET).hexdigest()}
    shown = (await client.get("/v1/programme")).text + (await client.get("/v1/campaigns")).text
    assert SECRET.hex() not in shown


@pytest.mark.parametrize("share", ["0", "1", "1.5", "0.00001"])
async def test_a_share_lies_between_nothing_and_all(client: httpx.AsyncClient, share: str) -> None:
    programme = {"campaigns": [{"name": "surprise", "points": 5, "share": share}]}
    refusal(await client.put("/v1/programme", json={"programme": programme}), 422, "request-invalid")


async def test_a_trial_takes_its_share_of_the_past_by_another_draw(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await book(*(purchase(f"T-{n}", customer=f"c-{n % 40}") for n in range(1_600)))
    draft = surprise(share="0.5").model_dump(mode="json", by_alias=True)
    tried = (await client.post("/v1/programme/preview", json={"programme": draft})).json()["sample"]
    assert 0.3 < tried["changed"] / tried["purchases"] < 0.7
    assert await rows(engine, "SELECT FROM draw_secret") == []


# Whoever doubts it can check it


async def test_the_draw_is_checked_by_command(book: Book, engine: AsyncEngine, database_url: str) -> None:
    await draw_by(engine, surprise(valid_from="2026-11-23T00:00:00Z", valid_until="2026-11-24T00:00:00Z"))
    await book(
        *(purchase(invoice) for invoice in (*DRAWN[:3], *OTHERS[:9])), purchase("L", occurred_at="2026-11-20T00:00:00Z")
    )
    done = await asyncio.to_thread(
        command, "surprises", "check", "surprise", "--json", points_database_url=database_url, log_level="error"
    )
    (checked,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert (checked["purchases"], checked["drawn"], checked["given"], checked["points"]) == (12, 3, 3, 150)
    assert (checked["expected"], checked["commitment"]) == ("3.0", hashlib.sha256(SECRET).hexdigest())


async def test_points_given_without_a_draw_are_found(book: Book, engine: AsyncEngine, database_url: str) -> None:
    await draw_by(engine, surprise())
    await book(purchase(DRAWN[0]))
    async with engine.begin() as connection:
        await fetch(connection, "UPDATE draw_secret SET secret = $1", other_secret(DRAWN[0]))
    done = await asyncio.to_thread(
        command, "surprises", "check", "surprise", "--json", points_database_url=database_url, log_level="error"
    )
    assert (done.returncode, json.loads(done.stdout)[0]["wrong"]) == (1, [f"shop/{DRAWN[0]}"])
    async with engine.connect() as connection:
        assert [each.name for each in await verify(connection)] == ["surprises-were-drawn"]
    async with engine.begin() as connection:
        await fetch(connection, "UPDATE draw_secret SET secret = $1", SECRET)


def other_secret(invoice: str) -> bytes:
    """A secret that does not draw a purchase."""
    found = (bytes([n]) * 32 for n in range(256))
    return next(each for each in found if draws.draw(each, "shop", invoice) >= Decimal("0.25") * draws.OF)


async def reveal(url: str) -> "subprocess.CompletedProcess[str]":
    settings = {"points_database_url": url, "log_level": "error"}
    return await asyncio.to_thread(command, "surprises", "reveal", "surprise", **settings)


async def test_a_secret_is_shown_once_nothing_is_drawn_by_it_any_more(engine: AsyncEngine, database_url: str) -> None:
    await draw_by(engine, surprise(valid_until="2020-02-01T00:00:00Z"))
    shown = await reveal(database_url)
    assert (shown.returncode, shown.stdout.strip()) == (0, SECRET.hex())
    (deed,) = await rows(engine, "SELECT action, subject FROM audit WHERE action LIKE 'surprise%'")
    assert deed == {"action": "surprise.reveal", "subject": "surprise"}


async def test_a_secret_by_which_something_will_be_drawn_is_not_shown(engine: AsyncEngine, database_url: str) -> None:
    await draw_by(engine, surprise(valid_until="2020-02-01T00:00:00Z"))
    await publish(engine, surprise(valid_until="2099-02-01T00:00:00Z"), valid_from=NOW + 9_000 * DAYS)
    refused = await reveal(database_url)
    assert (refused.returncode, refused.stdout, "still draws" in refused.stderr) == (1, "", True)


async def test_nothing_is_drawn_by_a_secret_that_was_revealed(
    book: Book, client: httpx.AsyncClient, engine: AsyncEngine, database_url: str
) -> None:
    await draw_by(engine, surprise(valid_until="2026-11-23T10:00:00Z"))
    (before,) = await book(purchase(DRAWN[0]))
    await reveal(database_url)
    again, backdated = await book(purchase(DRAWN[0], event="again"), purchase(DRAWN[1]))
    assert [each.purchase and each.purchase.points for each in (before, again, backdated)] == [150, 150, 100]
    later = {"campaigns": [{"name": "surprise", "points": 5, "share": "0.5"}]}
    refusal(await client.put("/v1/programme", json={"programme": later}), 422, "secret-revealed")
    over = {"minimum": "1.00", "campaigns": [later["campaigns"][0] | {"valid_until": "2026-11-23T10:00:00Z"}]}
    assert (await client.put("/v1/programme", json={"programme": over})).status_code == 201


async def test_an_unknown_draw_is_named(database_url: str) -> None:
    settings = {"points_database_url": database_url, "log_level": "error"}
    unknown = await asyncio.to_thread(command, "surprises", "check", "nothing", **settings)
    assert (unknown.returncode, unknown.stderr) == (1, "no campaign nothing ever had a share\n")


async def test_a_programme_without_surprises_reads_no_secret(book: Book, engine: AsyncEngine) -> None:
    await book(purchase())
    async with engine.connect() as connection:
        assert await queries.draw_secrets(connection) == {}
        assert (await Ledger().versions(connection)).drawn_campaigns == frozenset()
