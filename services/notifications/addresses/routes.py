"""The list of addresses that get nothing, or nothing promotional, over REST: reports from outside, and lifting one by hand."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.addresses.schemas import Address, AddressPage, AddressView, Channel, Lift, Report
from services.notifications.answers import answered, refusal
from services.notifications.asking import REUSED, service_of
from services.notifications.commands import HearReport, LiftAddress, Outcome
from services.notifications.loading import STANDING_COLUMNS, standing_of
from services.notifications.records import AddressKey
from services.notifications.rules.consent import Standing, spelled
from shared.asking import Cursor, KeyHeader, Limit, ask, page
from shared.auth import Guarded, needs
from shared.database import fetch
from shared.errors import problem_responses
from shared.http import decode_cursor
from shared.requests import Answer

router = APIRouter(prefix="/v1/addresses", route_class=Guarded, tags=["addresses"])

READ, WRITE = needs("addresses:read"), needs("addresses:write")

FOUND = f"""
SELECT {STANDING_COLUMNS} FROM address a
 WHERE (a.channel, a.address) > ($1, $2) AND a.channel = coalesce($4, a.channel) AND a.address = coalesce($5, a.address)
 ORDER BY a.channel, a.address LIMIT $3"""


@router.get(
    "",
    response_model=AddressPage,
    openapi_extra=READ,
    summary="Addresses that messages came back from, by channel",
    responses=problem_responses({422: ["cursor-invalid"]}),
)
async def list_addresses(
    http: HttpRequest,
    channel: Annotated[Channel | None, Query()] = None,
    address: Annotated[Address | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    after = decode_cursor(cursor, str, str) if cursor else ["", ""]
    named = None if address is None else spelled(channel or "email", address)
    notifications = service_of(http)
    async with notifications.engine.connect() as connection:
        found = await _found(connection, *after, limit + 1, channel, named)
    return page([address_view(*each) for each in found], limit, "channel", "address")


async def _found(connection: AsyncConnection, *values: object) -> list[tuple[AddressKey, Standing]]:
    return [standing_of(row) for row in await fetch(connection, FOUND, *values)]


@router.post(
    "/reports",
    response_model=AddressView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Say what became of messages to an address, for a shop that sends them itself",
    responses={
        200: {"model": AddressView, "description": "it changes nothing"},
        **problem_responses({409: [REUSED]}),
    },
)
async def report(http: HttpRequest, said: Report, key: KeyHeader = None) -> Response:
    command = HearReport(said.channel, said.address, said.kind)
    return await ask(http, command, _rendering(said.channel, said.address), key)


@router.post(
    "/lift",
    response_model=AddressView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Let an address get messages again",
    responses=problem_responses({404: ["address-unknown"], 409: [REUSED]}),
)
async def lift(http: HttpRequest, why: Lift, key: KeyHeader = None) -> Response:
    command = LiftAddress(why.channel, why.address, why.reason)
    return await ask(http, command, _rendering(why.channel, why.address), key)


def _rendering(channel: str, address: str) -> Callable[[Sequence[Outcome]], Answer]:
    def render(outcomes: Sequence[Outcome]) -> Answer:
        (outcome,) = outcomes
        if outcome.standing is None:
            return refusal(outcome)
        view = address_view((channel, spelled(channel, address)), outcome.standing)
        return answered(outcome, view)

    return render


def address_view(key: AddressKey, standing: Standing) -> dict[str, Any]:
    """Return an address as answers show it."""
    kept = "everything" if standing.bounced_at is not None else "promotional" if standing.complained_at else None
    return {"channel": key[0], "address": key[1], "keeps_from": kept, **standing._asdict()}
