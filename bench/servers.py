"""The servers that are compared: ours, and a FastAPI endpoint with the same models that does nothing."""

import asyncio
import gc
import socket
import sys

import uvicorn
import uvloop
from fastapi import FastAPI

from services.points.app import create_app
from services.points.schemas import BalanceView, BreakdownLine, PurchaseAnswer
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared.contracts.purchases import PurchaseCompleted
from shared.database import create_engine


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

    return app


class Constant(asyncio.Protocol):
    """Answers every request with the same bytes: what is left is the client's own ceiling."""

    ANSWER = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            self.transport.write(self.ANSWER)


async def constant(listener: socket.socket) -> None:
    """Serve constant bytes until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Constant, sock=listener)
    await server.serve_forever()


def main() -> None:
    """Serve `floor`, `ours URL` or `constant` on the inherited socket whose number comes first."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    if sys.argv[2] == "constant":
        uvloop.run(constant(listener))
        return
    if sys.argv[2] == "floor":
        app = floor()
    else:
        app = create_app(PointsService(create_engine(sys.argv[3], name="bench")), PointsSettings())
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
