"""What a partner is to give for the points of a span: as pages of JSON, or the whole as a CSV file."""

import csv
import datetime as dt
import io
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse

from services.points.catalogue import PartnerTransfer
from services.points.rewards import queries
from services.points.rewards.queries import Span
from services.points.rewards.routes import READ, find_reward
from services.points.rewards.schemas import SettlementPage
from services.points.routes import service_of
from services.points.service import PointsService
from shared.asking import Cursor, Limit, Segment, as_json, prefers_csv
from shared.auth import Guarded
from shared.contracts.values import EARLIEST, LATEST, Instant
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor, encode_cursor
from shared.spreadsheets import harmless

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["rewards"])

COLUMNS = ("member_number", "units", "points", "claim_id", "claimed_at", "status")


@router.get(
    "/rewards/{reward_id:segment}/settlement",
    response_model=SettlementPage,
    openapi_extra=READ,
    summary="What the partner is to give for claims from `from` up to, not including, `until`; cancelled ones left out",
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problem_responses({404: ["reward-unknown"], 409: ["reward-without-partner"], 422: ["cursor-invalid"]}),
    },
)
async def get_settlement(  # noqa: PLR0913 - a span, a page and a form
    http: HttpRequest,
    reward_id: Segment,
    *,
    begins: Annotated[Instant, Query(alias="from")] = EARLIEST,
    until: Annotated[Instant, Query()] = LATEST,
    limit: Limit = 50,
    cursor: Cursor = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    points, after, span = service_of(http), decode_cursor(cursor, int)[0] if cursor else 0, (begins, until)
    value = (await find_reward(http, reward_id)).reward.value
    if not isinstance(value, PartnerTransfer):
        raise ProblemError(409, "reward-without-partner", f"reward {reward_id} goes to no partner")
    if prefers_csv(accept):
        return StreamingResponse(_csv(points, reward_id, span), media_type="text/csv")
    async with points.engine.connect() as connection:
        rows = await queries.settlement(connection, reward_id, span, after=after, limit=limit + 1)
        totals = await queries.settlement_totals(connection, reward_id, span)
    shown = rows[:limit]
    following = encode_cursor([shown[-1]["number"]]) if len(rows) > limit else None
    known = {"reward_id": reward_id, "partner": value.partner, "unit": value.unit}
    return as_json({**known, **totals, "data": shown, "next_cursor": following})


async def _csv(points: PointsService, reward_id: str, span: Span) -> AsyncIterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    after = 0
    while True:
        async with points.engine.connect() as connection:
            rows = await queries.settlement(connection, reward_id, span, after=after, limit=1000)
        if not rows:
            return
        after = rows[-1]["number"]
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, extrasaction="ignore").writerows(map(_cells, rows))
        yield text.getvalue()


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    claimed_at: dt.datetime = row["claimed_at"]
    return {
        **row,
        "member_number": harmless(row["member_number"]),
        "claimed_at": f"{claimed_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
    }
