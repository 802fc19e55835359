"""Reports over REST and by the command."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import run
from typing import Any

import httpx
import pytest

from services.commands.reporting import CATALOGUE, SERVICES
from services.points.app import create_app
from services.points.reports.catalogue import REPORTS
from services.points.reports.examples import examples
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared.database import create_engine
from shared.reports.reader import TooManyReportsError
from shared.reports.routes import ReportView
from tests.processes import COMMAND, environment

RANGE = {"from": "2011-01-01", "to": "2011-04-01"}


@pytest.fixture
async def client(retail_url: str) -> AsyncIterator[httpx.AsyncClient]:
    points = PointsService(create_engine(retail_url, name="tests"))
    app = create_app(points, PointsSettings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://points") as made:
        yield made
    await app.state.reports.close()
    await points.close()


async def test_the_list_names_every_report_with_a_sentence(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/reports")).json()["data"]
    assert [each["name"] for each in listed] == list(REPORTS)
    assert all(each["says"].endswith(".") and each["method"].endswith(".") for each in listed)


def test_no_two_services_have_a_report_of_one_name() -> None:
    assert len(CATALOGUE) == sum(len(service.catalogue) for service in SERVICES.values())


def test_every_example_is_an_answer() -> None:
    for name, example in examples().items():
        answer = ReportView.model_validate(example["value"])
        assert answer.report == name
        assert all(list(row) == [column.name for column in answer.columns] for row in answer.rows)
    assert {"journal", "liability-by-expiry", "breakage-estimate"} <= examples().keys()


async def test_a_report_answers_in_the_form_that_is_asked_for(client: httpx.AsyncClient) -> None:
    answers = [
        await client.get("/v1/reports/retention", params=RANGE),
        await client.get("/v1/reports/retention", params=RANGE, headers={"Accept": "text/csv"}),
        await client.get("/v1/reports/retention", params=RANGE | {"format": "svg"}, headers={"Accept": "text/csv"}),
    ]
    assert [each.headers["content-type"].split(";")[0] for each in answers] == [
        "application/json", "text/csv", "image/svg+xml",
    ]  # fmt: skip
    assert [row["period"] for row in answers[0].json()["rows"]] == ["2011-01", "2011-02", "2011-03"]
    assert answers[0].json()["time_zone"] == "Europe/London"


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/v1/reports/horoscope", {}, 404, "report-unknown"),
        ("/v1/reports/churn", {"from": "2011-02-01", "to": "2011-02-01"}, 422, "range-empty"),
        ("/v1/reports/churn", {"from": "1990-01-01", "to": "2011-02-01"}, 422, "range-too-long"),
        ("/v1/reports/points", {"shop_id": "leeds"}, 422, "parameter-unsupported"),
        ("/v1/reports/journal", {"from": "2011-02-02", "to": "2011-02-01"}, 422, "range-empty"),
        ("/v1/reports/journal", {"from": "2001-01-01", "to": "2011-02-01"}, 422, "range-too-long"),
        ("/v1/reports/journal", {"currency": "GBP"}, 422, "parameter-unsupported"),
        ("/v1/reports/journal", {"cost_per_point": "cheap"}, 422, "request-invalid"),
        ("/v1/reports/liability-by-expiry", {"limit": "5"}, 422, "parameter-unsupported"),
        ("/v1/reports/breakage-estimate", {"shop_id": "leeds"}, 422, "parameter-unsupported"),
        ("/v1/reports/churn", {"from": "yesterday"}, 422, "request-invalid"),
        ("/v1/reports/churn", {"currency": "pounds"}, 422, "request-invalid"),
    ],
)
async def test_what_can_not_be_answered_is_refused(
    client: httpx.AsyncClient, path: str, params: dict[str, str], status: int, code: str
) -> None:
    answer = await client.get(path, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_too_many_reports_are_put_off(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: Any, **__: Any) -> None:
        raise TooManyReportsError

    monkeypatch.setattr("shared.reports.reader.Reports.read", busy)
    answer = await client.get("/v1/reports/churn")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-reports")
    assert int(answer.headers["retry-after"]) > 0


def loyalty(*arguments: str, url: str, **settings: str) -> str:
    env = environment(points_database_url=url, **settings)
    return run([COMMAND, *arguments], env=env, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize("form", ["json", "csv", "svg"])
@pytest.mark.parametrize("name", ["journal", "liability-by-expiry", "breakage-estimate"])
async def test_what_bookkeepers_need_comes_in_every_form(client: httpx.AsyncClient, name: str, form: str) -> None:
    answer = await client.get(f"/v1/reports/{name}", params=RANGE | {"format": form, "cost_per_point": "0.01"})
    assert answer.status_code == httpx.codes.OK, answer.text
    assert form in answer.headers["content-type"]
    assert ("points" in answer.text) or form == "csv"


def test_the_command_writes_the_journal_with_the_shops_account_names(retail_url: str) -> None:
    asked = ("report", "journal", *(f"--{name}={day}" for name, day in RANGE.items()), "--format", "csv")
    written = loyalty(*asked, "--cost-per-point", "0.01", url=retail_url, points_account_expense="6300 Bonuspunkte")
    header, first = written.splitlines()[:2]
    assert header == "day,debit,credit,points,amount,entry_kinds"
    assert first.startswith("2011-01-")
    assert ",6300 Bonuspunkte," in first
    assert "not enough history" in loyalty("report", "breakage-estimate", url=retail_url)


def test_the_command_lists_and_shows_and_writes_reports(retail_url: str, tmp_path: Path) -> None:
    listed = loyalty("report", url=retail_url)
    assert all(name in listed for name in REPORTS)
    asked = ("report", "retention", "--from", "2011-01-01", "--to", "2011-04-01")
    assert "strict retention" in loyalty(*asked, url=retail_url)
    document = json.loads(loyalty(*asked, "--format", "json", url=retail_url))
    picture = tmp_path / "retention.svg"
    assert not loyalty(*asked, "--format", "svg", "--output", str(picture), url=retail_url)
    assert picture.read_text().startswith("<svg")
    assert len(document["rows"]) == 3
