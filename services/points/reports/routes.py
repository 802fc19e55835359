"""Reports over REST: a list of them, and each as JSON, CSV or a picture."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import orjson
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from services.points.reports.catalogue import REPORTS
from services.points.reports.drawing import as_svg
from services.points.reports.examples import examples
from services.points.reports.questions import EARLIEST, LATEST, Period, QuestionError
from services.points.reports.reader import ParameterError, Reports, ReportTooSlowError, TooManyReportsError
from services.points.reports.rendering import as_csv, as_json, brief
from services.points.reports.report import Answer, Narrowing, Unit
from shared.auth import Guarded, needs
from shared.contracts.values import Currency, Identifier, Money
from shared.errors import ProblemError, parameter_error, problem_responses

router = APIRouter(prefix="/v1/reports", route_class=Guarded, tags=["reports"])

Format = Literal["json", "csv", "svg"]
MEDIA_TYPES: Mapping[str, Format] = {"application/json": "json", "text/csv": "csv", "image/svg+xml": "svg"}

MOST_ROWS = 10_000
RETRY_AFTER_SECONDS = 5


class ColumnView(BaseModel):
    """A column, or a figure of the summary."""

    name: str
    unit: Unit
    meaning: str


class ReportBrief(BaseModel):
    """A report that can be asked for, and what it takes beside `from`, `to` and `period`."""

    name: str
    title: str
    says: str
    method: str
    parameters: list[Narrowing]
    columns: list[ColumnView]


class ReportList(BaseModel):
    """All reports."""

    data: list[ReportBrief]


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
    rule: Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    cost_per_point: Money | None = None

    def narrowing(self) -> dict[str, Any]:
        """Return what narrows the answer, as far as it was said."""
        names = ["shop_id", "currency", "rule", "limit", "cost_per_point"]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@router.get("", response_model=ReportList, openapi_extra=needs("reports:read"), summary="The reports that there are")
async def list_reports() -> Response:
    return _json({"data": [brief(report) for report in REPORTS.values()]})


@router.get(
    "/{name}",
    response_model=ReportView,
    openapi_extra=needs("reports:read"),
    summary="A report on a range of local days, as JSON, CSV or a picture",
    responses={
        200: {
            "content": {
                "application/json": {"examples": examples()},
                "text/csv": {"schema": {"type": "string"}},
                "image/svg+xml": {"schema": {"type": "string"}},
            }
        },
        **problem_responses(
            {
                404: ["report-unknown"],
                422: ["range-empty", "range-too-long", "parameter-unsupported"],
                429: ["too-many-reports"],
                503: ["report-too-slow"],
            }
        ),
    },
)
async def get_report(
    http: Request,
    name: Annotated[str, Path(min_length=1, max_length=64, description="as the list of the reports has it")],
    asked: Annotated[Asked, Query()],
    accept: Annotated[str, Header()] = "",
) -> Response:
    return _rendered(await _read(http, name, asked), asked.format or preferred(accept))


async def _read(http: Request, name: str, asked: Asked) -> Answer:
    report = REPORTS.get(name)
    if report is None:
        raise ProblemError(404, "report-unknown", f"there is no report {name}; /v1/reports lists them")
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
