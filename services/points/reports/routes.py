"""Reports on points over REST: what narrows them, and how their list looks."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from services.points.reports.catalogue import REPORTS
from services.points.reports.examples import examples
from services.points.reports.narrowing import Narrowing
from shared.contracts.values import Money
from shared.reports.routes import Asked, ColumnView, report_routes

MOST_ROWS = 10_000


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


class PointsAsked(Asked):
    """The query of a report on points."""

    rule: Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    cost_per_point: Money | None = None


def _asked(query: Annotated[PointsAsked, Query()]) -> Asked:
    return query


router = report_routes(REPORTS, lists=ReportList, asked_by=_asked, examples=examples())
