"""Customers over REST: profiles put as a whole, and looked at with what was bought, in short; it decides nothing."""

import uuid
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as HttpRequest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.asking import service_of
from services.notifications.commands import PutProfile
from services.notifications.profiles import queries
from services.notifications.profiles.answers import customer_view, render_profile
from services.notifications.profiles.schemas import CustomerPage, CustomerView, Profile, ProfileView
from services.notifications.records import SavedSegment
from services.notifications.rules.profiles import SHARED
from services.notifications.segments import SegmentName, segment_of
from shared.asking import Cursor, Limit, Segment, as_json, ask, page
from shared.auth import Guarded, needs
from shared.contracts.values import CustomerId
from shared.errors import ProblemError, problem_responses
from shared.http import decode_cursor

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["customers"])

READ, WRITE = needs("customers:read"), needs("customers:write")

NewId = Annotated[CustomerId, Path(min_length=1, description="the shop's pseudonym; an e-mail address is refused")]


@router.put(
    "/customers/{customer_id:segment}",
    response_model=ProfileView,
    status_code=201,
    openapi_extra=WRITE,
    summary="Keep a profile as a whole; what other services know of it is said on `loyalty.customers`",
    responses={
        200: {"model": ProfileView, "description": "it is so already"},
        **problem_responses({410: ["customer-erased"], 422: ["birthday-in-future", "email-invalid"]}),
    },
)
async def put_profile(http: HttpRequest, customer_id: NewId, profile: Profile) -> Response:
    said: dict[str, Any] = {name: getattr(profile, name) for name in SHARED}
    said["preferred_channel"] = profile.preferred_channel
    said["preferences"] = orjson.dumps(profile.preferences, option=orjson.OPT_SORT_KEYS).decode()
    if profile.joined_on is not None:
        said["joined_on"] = profile.joined_on
    command = PutProfile(customer_id, said, profile.own_dates, str(uuid.uuid4()))
    return await ask(http, command, render_profile, None)


@router.get(
    "/customers",
    response_model=CustomerPage,
    openapi_extra=READ,
    summary="Customers by their ids, those of a segment or all",
    responses=problem_responses({404: ["segment-unknown"], 422: ["cursor-invalid"]}),
)
async def list_customers(
    http: HttpRequest, segment: Annotated[SegmentName | None, Query()] = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    after, now = decode_cursor(cursor, str)[0] if cursor else "", service_of(http).clock()
    currency = (await service_of(http).programme_now()).programme.currency
    async with service_of(http).engine.connect() as connection:
        wanted = None if segment is None else segment_of((await find_segment(connection, segment)).document)
        found = await queries.customers(connection, wanted, now=now, after=after, limit=limit + 1)
    return page([customer_view(each, currency) for each in found], limit, "customer_id")


async def find_segment(connection: AsyncConnection, name: str) -> SavedSegment:
    found = await queries.segment(connection, name)
    if found is None:
        raise ProblemError(404, "segment-unknown", f"there is no segment {name}")
    return found


@router.get(
    "/customers/{customer_id:segment}",
    response_model=CustomerView,
    openapi_extra=READ,
    summary="A customer: the profile, and in short what they bought",
    responses=problem_responses({404: ["customer-unknown"], 410: ["customer-erased"]}),
)
async def get_customer(http: HttpRequest, customer_id: Segment) -> Response:
    currency = (await service_of(http).programme_now()).programme.currency
    async with service_of(http).engine.connect() as connection:
        found = await queries.customer(connection, customer_id)
    if found is None:
        raise ProblemError(404, "customer-unknown", f"there is no customer {customer_id}")
    if found.customer.erased_at is not None:
        raise ProblemError(410, "customer-erased", f"customer {customer_id} was erased")
    return as_json(customer_view(found, currency))
