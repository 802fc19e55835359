"""Consents over REST: a yes or a no as a shop heard it, and what they all came to."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from services.notifications.asking import REUSED, service_of
from services.notifications.commands import HearConsent
from services.notifications.consents import queries
from services.notifications.consents.answers import consent_view, rendering
from services.notifications.consents.schemas import ConsentList, ConsentView, ConsentWord
from shared.asking import KeyHeader, Segment, as_json, ask
from shared.auth import Guarded, needs
from shared.errors import ProblemError, problem_responses

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["consents"])

SO_BEFORE: dict[int | str, dict[str, Any]] = {
    200: {"model": ConsentView, "description": "it was so already, or they have said something since"}
}


@router.post(
    "/consents",
    response_model=ConsentView,
    status_code=201,
    openapi_extra=needs("consents:write"),
    summary="Say that a customer said yes or no; on channels of double opt-in a yes asks them to confirm it",
    responses={
        **SO_BEFORE,
        **problem_responses({409: [REUSED], 410: ["customer-erased"], 422: ["consent-ahead"]}),
    },
)
async def hear(http: HttpRequest, said: ConsentWord, key: KeyHeader = None) -> Response:
    command = HearConsent(said.customer_id, said.channel, said.purpose, said.given, said.how, said.text, said.at)
    return await ask(http, command, rendering((said.customer_id, said.channel, said.purpose)), key)


@router.get(
    "/customers/{customer_id:segment}/consents",
    response_model=ConsentList,
    openapi_extra=needs("consents:read"),
    summary="What a customer agreed to and no longer does, with the proofs",
    responses=problem_responses({404: ["customer-unknown"], 410: ["customer-erased"]}),
)
async def list_consents(http: HttpRequest, customer_id: Segment) -> Response:
    notifications = service_of(http)
    async with notifications.engine.connect() as connection:
        customer = await queries.known(connection, customer_id)
        found = await queries.consents(connection, customer_id)
    if customer is None:
        raise ProblemError(404, "customer-unknown", f"nobody has heard of {customer_id}")
    if customer.is_erased:
        raise ProblemError(410, "customer-erased", f"{customer_id} was erased")
    return as_json({"data": [consent_view(*each) for each in found.items()]})
