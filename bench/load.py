"""The load client: keep-alive HTTP/1.1 connections over asyncio protocols, requests built beforehand.

It reads status and content length and nothing else, so that the server's share of the machine is as large as can be.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

NAME = "bench/load.py: asyncio protocols on uvloop, one process"

ACCEPT_SECONDS = 0.1


@dataclass(slots=True)
class Measured:
    """Latencies in seconds, statuses by count, and how long the whole took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """Requests a second, and the median and 99th percentile in milliseconds."""
        ordered = sorted(self.latencies)
        return {
            "per_second": len(ordered) / self.seconds,
            "p50_ms": ordered[len(ordered) // 2] * 1000,
            "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
            "statuses": self.statuses,
        }


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], measured: Measured, done: "asyncio.Future[None]") -> None:
        self.requests = requests
        self.measured = measured
        self.done = done
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self.buffer = b""
        self.measured.latencies.append(time.perf_counter() - self.sent_at)
        status = int(head[9:12])
        self.measured.statuses[status] = self.measured.statuses.get(status, 0) + 1
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def load(port: int, path: str, bodies: list[bytes], connections: int, *, with_keys: bool = False) -> Measured:
    """Post every body once over so many connections to a server on this machine, each under a key of its own if asked."""
    requests = iter([_request(path, body, str(uuid.uuid4()) if with_keys else None) for body in bodies])
    measured, loop = Measured(), asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(connections)]
    opened = []
    for future in futures:
        _, connection = await loop.create_connection(partial(Connection, requests, measured, future), "127.0.0.1", port)
        opened.append(connection)
    # a server that is busy with the first connections leaves the last ones waiting, which is no answer of its
    await asyncio.sleep(ACCEPT_SECONDS)
    started = time.perf_counter()
    for connection in opened:
        connection.send()
    await asyncio.gather(*futures)
    measured.seconds = time.perf_counter() - started
    return measured


def _request(path: str, body: bytes, key: str | None) -> bytes:
    keyed = [] if key is None else [f"Idempotency-Key: {key}"]
    host, kind, length = "Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(body)}"
    return "\r\n".join([f"POST {path} HTTP/1.1", host, kind, length, *keyed, "", ""]).encode() + body


def main() -> None:
    """Read one JSON line (`port`, `path`, `connections`, `bodies`) and answer with a summary."""
    asked = json.loads(sys.stdin.readline())
    bodies = [json.dumps(body).encode() for body in asked["bodies"]]
    with_keys = asked.get("with_keys", False)
    measured = uvloop.run(load(asked["port"], asked["path"], bodies, asked["connections"], with_keys=with_keys))
    sys.stdout.write(json.dumps(measured.summary()) + "\n")


if __name__ == "__main__":
    main()
