"""The servers that are compared: ours, and a FastAPI endpoint with the same models that does nothing."""

import asyncio
import datetime as dt
import socket
import sys
from typing import Annotated, cast

import uvicorn
import uvloop
from fastapi import FastAPI, Header

from services.points.app import create_app
from services.points.schemas import BalanceView, BreakdownLine, PurchaseAnswer, RedemptionView, Spending
from services.points.service import PointsService
from services.points.settings import PointsSettings
from services.running import spare_the_collector
from shared.contracts.purchases import PurchaseCompleted
from shared.database import create_engine

BEGUN = dt.datetime.now(dt.UTC)


def floor() -> FastAPI:
    """Return the endpoint that does nothing."""
    app = FastAPI()

    @app.post("/v1/purchases", status_code=201)
    async def book_purchase(purchase: PurchaseCompleted) -> PurchaseAnswer:
        return PurchaseAnswer(
            shop_id=purchase.shop_id,
            invoice_number=purchase.invoice_number,
            customer_id=purchase.customer_id,
            points=114,
            status="available",
            breakdown=[BreakdownLine(rule="base", points=114)],
            balance=BalanceView(available=114, pending=0, held=0),
            tier=None,
        )

    @app.post("/v1/redemptions", status_code=201)
    async def redeem(asked: Spending, idempotency_key: Annotated[str, Header()]) -> RedemptionView:
        return RedemptionView(
            redemption_id=idempotency_key,
            customer_id=asked.customer_id,
            status="captured",
            points=asked.points,
            held=0,
            captured=asked.points,
            restored=0,
            hold_until=None,
            shop_id=asked.shop_id,
            invoice_number=asked.invoice_number,
            created_at=BEGUN,
            balance=BalanceView(available=114, pending=0, held=0),
        )

    return app


def ours(url: str) -> FastAPI:
    """Return the points service as it is served, on the database at `url`."""
    settings = PointsSettings()
    return create_app(PointsService(create_engine(url, name="bench", pool_size=settings.database_pool_size)), settings)


class Constant(asyncio.Protocol):
    """Answers every request with the same bytes: what is left is the client's own ceiling."""

    ANSWER = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            self.transport.write(self.ANSWER)


async def constant(listener: socket.socket) -> None:
    """Serve constant bytes until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Constant, sock=listener)
    await server.serve_forever()


def main() -> None:
    """Serve `floor`, `ours URL` or `constant` on the inherited socket whose number comes first, and say so."""
    number, what, *url = sys.argv[1:]
    listener = socket.socket(fileno=int(number))
    app = floor() if what == "floor" else ours(*url) if what == "ours" else None
    spare_the_collector()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    if app is None:
        uvloop.run(constant(listener))
    else:
        config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
