"""Reports over REST, of whichever service: a list of them, and each as JSON, CSV or a picture."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, cast

import orjson
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, Field

from shared.auth import Guarded, needs
from shared.contracts.values import Currency, Identifier
from shared.errors import ProblemError, parameter_error, problem_responses
from shared.reports.drawing import as_svg
from shared.reports.questions import EARLIEST, LATEST, Period, QuestionError
from shared.reports.reader import ParameterError, Reports, ReportTooSlowError, TooManyReportsError
from shared.reports.rendering import as_csv, as_json, brief
from shared.reports.report import Answer, Report, Unit

Format = Literal["json", "csv", "svg"]
MEDIA_TYPES: Mapping[str, Format] = {"application/json": "json", "text/csv": "csv", "image/svg+xml": "svg"}

RETRY_AFTER_SECONDS = 5

MOST_ROWS = 10_000
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS)]

UNNARROWED = frozenset({"from_", "to", "period", "format"})
"""What of a query tells the range and the form of an answer, not what it is about."""


class ColumnView(BaseModel):
    """A column, or a figure of the summary."""

    name: str
    unit: Unit
    meaning: str


class ReportView(BaseModel):
    """A report: rows by their columns' names; money is a string, and what has no answer is null.

    `to` is the day after the last. `method` says how it is counted, and whether amounts are net of refunds.
    """

    report: str
    title: str
    method: str
    from_: dt.date = Field(alias="from")
    to: dt.date
    period: Period
    time_zone: str
    shop_id: str | None
    currency: str | None
    as_of: dt.datetime
    columns: list[ColumnView]
    rows: list[dict[str, Any]]
    summary_columns: list[ColumnView]
    summary: dict[str, Any]


class ReportBrief(BaseModel):
    """A report that can be asked for; `parameters` are what it takes beside `from`, `to` and `period`."""

    name: str
    title: str
    says: str
    method: str
    parameters: list[str]
    columns: list[ColumnView]


class ReportList(BaseModel):
    """All reports."""

    data: list[ReportBrief]


class Asked(BaseModel):
    """The query of a report."""

    from_: Annotated[dt.date | None, Field(ge=EARLIEST, le=LATEST)] = Field(
        default=None, alias="from", description="the first local day; 12 periods by default"
    )
    to: Annotated[dt.date | None, Field(ge=EARLIEST, le=LATEST)] = Field(
        default=None, description="the day after the last; tomorrow by default"
    )
    period: Period | None = None
    format: Format | None = Field(default=None, description="before what `Accept` says")
    shop_id: Identifier | None = None
    currency: Currency | None = None

    def narrowing(self) -> dict[str, Any]:
        """Return what narrows the answer, as far as it was said."""
        return {name: value for name, value in self if name not in UNNARROWED and value is not None}


def report_routes(
    reports: Mapping[str, Report],
    *,
    asked_by: Callable[..., Asked],
    examples: Mapping[str, Any],
) -> APIRouter:
    """Return the routes of a service's reports, which its app reads with `app.state.reports`.

    `asked_by` is a dependency that gives the query with what narrows them.
    """
    router = APIRouter(prefix="/v1/reports", route_class=Guarded, tags=["reports"])

    @router.get(
        "", response_model=ReportList, openapi_extra=needs("reports:read"), summary="The reports that there are"
    )
    async def list_reports() -> Response:
        return _json({"data": [brief(report) for report in reports.values()]})

    @router.get(
        "/{name}",
        response_model=ReportView,
        openapi_extra=needs("reports:read"),
        summary="A report on a range of local days, as JSON, CSV or a picture",
        responses=_answers(examples),
    )
    async def get_report(
        http: Request,
        name: Annotated[str, Path(min_length=1, max_length=64, description="as the list of the reports has it")],
        asked: Annotated[Asked, Depends(asked_by)],
        accept: Annotated[str, Header()] = "",
    ) -> Response:
        report = reports.get(name)
        if report is None:
            raise ProblemError(404, "report-unknown", f"there is no report {name}; /v1/reports lists them")
        return _rendered(await _read(http, report, asked), asked.format or preferred(accept))

    return router


def _answers(examples: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    content = {
        "application/json": {"examples": examples},
        "text/csv": {"schema": {"type": "string"}},
        "image/svg+xml": {"schema": {"type": "string"}},
    }
    refusals = {
        404: ["report-unknown"],
        422: ["range-empty", "range-too-long", "parameter-unsupported"],
        429: ["too-many-reports"],
        503: ["report-too-slow"],
    }
    return {200: {"content": content}, **problem_responses(refusals)}


async def _read(http: Request, report: Report, asked: Asked) -> Answer:
    reports = cast("Reports", http.app.state.reports)
    try:
        return await reports.read(
            report, first=asked.from_, end=asked.to, period=asked.period, narrowing=asked.narrowing()
        )
    except QuestionError as error:
        raise parameter_error(error.parameter, error.code, str(error)) from None
    except ParameterError as error:
        raise parameter_error(error.parameter, "parameter-unsupported", str(error)) from None
    except TooManyReportsError:
        raise _later(429, "too-many-reports", "other reports are being read; try again in a moment") from None
    except ReportTooSlowError:
        raise _later(503, "report-too-slow", "the database took too long; ask for a shorter range") from None


def _later(status: int, code: str, detail: str) -> ProblemError:
    return ProblemError(status, code, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def preferred(accept: str) -> Format:
    """Return the first form that a client names, JSON where it names none of ours."""
    named = (each.split(";")[0].strip() for each in accept.lower().split(","))
    return next((MEDIA_TYPES[each] for each in named if each in MEDIA_TYPES), "json")


def _rendered(answer: Answer, form: Format) -> Response:
    match form:
        case "json":
            return Response(as_json(answer), media_type="application/json")
        case "csv":
            return Response(as_csv(answer), media_type="text/csv")
        case "svg":
            return Response(as_svg(answer), media_type="image/svg+xml")


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
