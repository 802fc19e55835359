"""Reports on recommendations over REST: what narrows them."""

from typing import Annotated

from fastapi import Query
from pydantic import Field, StringConstraints

from services.referrals.reports.catalogue import REPORTS
from services.referrals.reports.examples import examples
from shared.contracts.values import Money
from shared.reports.routes import Asked, Limit, report_routes


class ReferralsAsked(Asked):
    """The query of a report on recommendations."""

    code: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[^\x00-\x1f\x7f]+$")] | None,
        Field(description="whatever its case, blanks and dashes"),
    ] = None
    limit: Limit | None = None
    cost_per_point: Money | None = None


def _asked(query: Annotated[ReferralsAsked, Query()]) -> Asked:
    return query


router = report_routes(REPORTS, asked_by=_asked, examples=examples())
