"""A customer over REST, in every service: all that it knows of them, and their end."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Response
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from shared import erasures
from shared.asking import ask
from shared.auth import Guarded, caller, needs
from shared.contracts.values import CustomerId
from shared.erasures import Memory
from shared.errors import problem_responses
from shared.requests import Answer, Origin
from shared.service import Service

Named = Annotated[CustomerId, Path(min_length=1)]


class Known(BaseModel):
    """All that a service knows of a person, under whichever ids, as it stands in its tables."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-42",
                    "names": ["c-42"],
                    "tables": {"card": [{"card_number": "2990000000422", "customer_id": "c-42"}]},
                }
            ]
        }
    )

    customer_id: str
    names: list[str]
    tables: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class People:
    """How a service knows people, and forgets them: `erase` is its command, `source` what it says of itself."""

    memory: Memory
    erase: Callable[[str, Origin], Any]
    source: str

    def erasure(self, customer_id: str, *, now: dt.datetime, author: str) -> Any:
        """Return the command of an erasure that the service was asked for, with the event that tells it to the others."""
        name = f"{customer_id}:erased"
        event = {
            "specversion": "1.0",
            "id": name,
            "source": self.source,
            "type": "loyalty.customer.erased.v1",
            "subject": customer_id,
            "time": now,
            "datacontenttype": "application/json",
            "data": {"customer_id": customer_id},
        }
        origin = Origin(self.source, name, now, now, named=False, document=orjson.dumps(event), author=author)
        return self.erase(customer_id, origin)


def customer_routes(people: People) -> APIRouter:
    """Return the routes of a service."""
    router = APIRouter(prefix="/v1/customers/{customer_id:segment}", route_class=Guarded, tags=["customers"])

    @router.get(
        "/export",
        response_model=Known,
        openapi_extra=needs("customers:read"),
        summary="All that this service knows of a customer, table by table",
        responses=problem_responses(),
    )
    async def export(http: HttpRequest, customer_id: Named) -> Response:
        return StreamingResponse(
            _exported(http.app.state.service, people.memory, customer_id), media_type="application/json"
        )

    @router.delete(
        "",
        status_code=204,
        openapi_extra=needs("customers:erase"),
        summary="Erase a customer for good, here and in every other service",
        responses=problem_responses(),
    )
    async def erase_customer(http: HttpRequest, customer_id: Named) -> Response:
        command = people.erasure(customer_id, now=http.app.state.service.clock(), author=caller(http).name)
        return await ask(http, command, lambda _outcomes: Answer(204, b""), None)

    return router


async def _exported(service: Service[Any, Any], memory: Memory, customer_id: str) -> AsyncIterator[bytes]:
    async with service.engine.connect() as connection:
        async for part in erasures.export(connection, memory, customer_id):
            yield part
