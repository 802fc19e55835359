"""A mail server on 127.0.0.1 that keeps what it takes, and has the faults it is told to have."""

import asyncio
import re
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

REPORTED = re.compile(r" (ENVID|RET)=(\S+)", re.IGNORECASE)


@dataclass(eq=False)
class MailServer:
    """`refusals` are its answers to MAIL, RCPT and DATA, by recipient for the latter two; `users` may log in."""

    refusals: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    knows_reports: bool = False
    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    connections: list["Conversation"] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    silent_at: Literal["MAIL", "RCPT", "DATA"] | None = None
    """It says nothing to this, until the other side hangs up."""
    silent_after_taking: bool = False

    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(each, policy=policy.default) for each in self.raw_mails()]

    def raw_mails(self) -> list[bytes]:
        return [each.original_content or b"" for each in self.taken]

    def hang_up(self) -> None:
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.close()

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(["250-DSN"] if self.knows_reports else []), responses[-1]]

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await self._may_be_silent("MAIL")
        envelope.mail_from = address
        return self.refusals.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await self._may_be_silent("RCPT")
        if refusal := self.refusals.get(f"RCPT {address}"):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        await self._may_be_silent("DATA")
        if refusal := self.refusals.get(f"DATA {envelope.rcpt_tos[0]}"):
            return refusal
        self.taken.append(envelope)
        if self.silent_after_taking:
            await self._fall_silent()
        return "250 2.0.0 queued"

    async def _may_be_silent(self, stage: str) -> None:
        if stage == self.silent_at:
            await self._fall_silent()

    async def _fall_silent(self) -> None:
        self.reached.set()
        await asyncio.get_running_loop().create_future()

    def judge(self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=self.users.get(given.login.decode()) == given.password.decode(), handled=False)


class Conversation(SMTP):
    """The library's, which takes no part in delivery reports."""

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - the library's name
        if self.event_handler.knows_reports:
            self.event_handler.parameters.update(REPORTED.findall(arg))
            arg = REPORTED.sub("", arg)
        await super().smtp_MAIL(arg)


@asynccontextmanager
async def mail_server(
    server: MailServer, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
) -> AsyncIterator[MailServer]:
    def conversation() -> Conversation:
        with warnings.catch_warnings():
            # it warns of passwords in the open, not knowing that all that it hears is encrypted
            warnings.filterwarnings("ignore", "Requiring AUTH")
            made = Conversation(
                server,
                hostname="mx.shop.test",
                tls_context=starttls,
                require_starttls=starttls is not None,
                authenticator=server.judge,
                auth_required=bool(server.users),
                auth_require_tls=tls is None,
            )
        server.connections.append(made)
        return made

    listening = await asyncio.get_running_loop().create_server(conversation, "127.0.0.1", server.port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
    server.hang_up()
    await listening.wait_closed()
