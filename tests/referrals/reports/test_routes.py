"""Reports on recommendations over REST and by the command."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import run

import httpx
import pytest

from services.referrals.app import create_app
from services.referrals.reports.catalogue import REPORTS
from services.referrals.reports.examples import examples
from services.referrals.service import ReferralsService
from services.referrals.settings import ReferralsSettings
from shared.database import create_engine
from shared.reports.drawing import as_svg
from shared.reports.routes import ReportView
from tests.processes import COMMAND, environment
from tests.referrals.conftest import CONTACTS
from tests.referrals.reports.conftest import Read

RANGE = {"from": "2011-01-01", "to": "2011-04-01"}


@pytest.fixture
async def client(retail_url: str) -> AsyncIterator[httpx.AsyncClient]:
    referrals = ReferralsService(create_engine(retail_url, name="tests"), contacts=CONTACTS)
    app = create_app(referrals, ReferralsSettings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://referrals") as made:
        yield made
    await app.state.reports.close()
    await referrals.close()


async def test_the_list_names_every_report_with_a_sentence(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/reports")).json()["data"]
    assert [each["name"] for each in listed] == list(REPORTS)
    assert all(each["says"].endswith(".") and each["method"].endswith(".") for each in listed)


def test_every_report_has_an_example_that_is_an_answer() -> None:
    assert examples().keys() == REPORTS.keys()
    for name, example in examples().items():
        answer = ReportView.model_validate(example["value"])
        assert answer.report == name
        assert all(list(row) == [column.name for column in answer.columns] for row in answer.rows)


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_answers_in_every_form(client: httpx.AsyncClient, name: str) -> None:
    answers = [
        await client.get(f"/v1/reports/{name}", params=RANGE | {"format": form}) for form in ("json", "csv", "svg")
    ]
    assert [each.headers["content-type"].split(";")[0] for each in answers] == [
        "application/json", "text/csv", "image/svg+xml",
    ]  # fmt: skip
    document = answers[0].json()
    assert document["time_zone"] == "Europe/London"
    assert len(answers[1].text.splitlines()) == len(document["rows"]) + 1 > 1
    assert answers[2].text.startswith("<svg")


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/v1/reports/horoscope", {}, 404, "report-unknown"),
        ("/v1/reports/retention", {}, 404, "report-unknown"),
        ("/v1/reports/funnel", {"from": "2011-02-01", "to": "2011-02-01"}, 422, "range-empty"),
        ("/v1/reports/funnel", {"from": "1990-01-01", "to": "2011-02-01"}, 422, "range-too-long"),
        ("/v1/reports/funnel", {"shop_id": "leeds"}, 422, "parameter-unsupported"),
        ("/v1/reports/referred", {"code": "7K2M-9QFS"}, 422, "parameter-unsupported"),
        ("/v1/reports/referral-cost", {"limit": "5"}, 422, "parameter-unsupported"),
        ("/v1/reports/referral-cost", {"cost_per_point": "cheap"}, 422, "request-invalid"),
        ("/v1/reports/top-referrers", {"limit": "0"}, 422, "request-invalid"),
        ("/v1/reports/funnel", {"code": ""}, 422, "request-invalid"),
    ],
)
async def test_what_can_not_be_answered_is_refused(
    client: httpx.AsyncClient, path: str, params: dict[str, str], status: int, code: str
) -> None:
    answer = await client.get(path, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_picture_of_the_funnel_has_a_line_for_each_step(read: Read) -> None:
    picture = as_svg(await read("funnel", period="quarter"))
    assert picture.count("<polyline") == 3


def loyalty(*arguments: str, url: str) -> str:
    env = environment(referrals_database_url=url, referrals_contact_key="0123456789abcdef" * 2)
    return run([COMMAND, *arguments], env=env, capture_output=True, check=True, text=True).stdout


def test_the_command_lists_and_shows_and_writes_reports(retail_url: str, tmp_path: Path) -> None:
    listed = loyalty("report", url=retail_url)
    assert all(name in listed for name in REPORTS)
    asked = ("report", "funnel", *(f"--{name}={day}" for name, day in RANGE.items()))
    assert "reward rate" in loyalty(*asked, "--code", "7k2m 9qfs", url=retail_url)
    assert len(json.loads(loyalty(*asked, "--format", "json", url=retail_url))["rows"]) == 3
    picture = tmp_path / "funnel.svg"
    assert not loyalty(*asked, "--format", "svg", "--output", str(picture), url=retail_url)
    assert picture.read_text().startswith("<svg")
