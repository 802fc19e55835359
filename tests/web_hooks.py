"""A web server on 127.0.0.1 that keeps what is posted to it, and answers as it is told, well or badly."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken"


@dataclass(frozen=True, slots=True)
class Posted:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(eq=False)
class HookServer:
    """`answer` is what goes over the wire; `ends` says whether the server then hangs up or goes on to be silent."""

    answer: bytes = OK
    ends: bool = True
    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    conversations: list["asyncio.Task[None]"] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        self.conversations.append(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (posted := await _read(reader)) is not None:
                self.posted.append(posted)
                self.reached.set()
                writer.write(self.answer)
                await writer.drain()
                if self.ends and self.answer is not OK:
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Posted | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return Posted(head[0].split()[1], headers, await reader.readexactly(int(headers["content-length"])))


@asynccontextmanager
async def hook_server(
    server: HookServer, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[HookServer]:
    listening = await asyncio.start_server(server.meet, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
    for connection in server.connections:
        connection.close()
    await asyncio.gather(*server.conversations)
    await listening.wait_closed()


def answering(status: str, body: str = "", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]) + body).encode()
