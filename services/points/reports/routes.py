"""Reports on points over REST: what narrows them."""

from typing import Annotated

from fastapi import Query
from pydantic import StringConstraints

from services.points.reports.catalogue import REPORTS
from services.points.reports.examples import examples
from shared.contracts.values import Money
from shared.reports.routes import Asked, Limit, report_routes


class PointsAsked(Asked):
    """The query of a report on points."""

    rule: Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None
    limit: Limit | None = None
    cost_per_point: Money | None = None


def _asked(query: Annotated[PointsAsked, Query()]) -> Asked:
    return query


router = report_routes(REPORTS, asked_by=_asked, examples=examples())
