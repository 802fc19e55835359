"""Delivers by SMTP: one connection for many mails, each answer of the server told apart by whom it is about.

What the server has against a recipient or a mail is `Refused` (5xx) or `Later` (4xx). What is about us, a connection, a login, a
sender, would be so for any mail: `Later`, so that a wrong password loses nothing.
"""

import asyncio
import ssl
from contextlib import suppress
from functools import cached_property

import aiosmtplib
from aiosmtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPSenderRefused

from services.notifications.channels.mail import AddressError, Sender, as_mail, mail_address
from services.notifications.channels.message import Later, Message, Outcome, Refused, Sent
from services.notifications.channels.servers import MailServer
from services.notifications.channels.statuses import is_gone, status_in

PERMANENT = 500
CLOSING = 421
TOO_LARGE = 552
LONGEST_REASON = 500


class Smtp:
    """A connection to a mail server that is made when it is needed and given up when it is in doubt."""

    def __init__(self, server: MailServer, sender: Sender) -> None:
        self._server = server
        self._sender = sender
        self._client: aiosmtplib.SMTP | None = None
        self._carried = 0
        self._turn = asyncio.Lock()

    async def send(self, message: Message) -> Outcome:
        """Hand a mail to the server. Two at once wait for each other; for more at a time make more of these."""
        try:
            to, mail = mail_address(message.to), as_mail(message, self._sender)
        except AddressError as error:
            return Refused(f"{message.to!r} {error}", gone=True, asked=False)
        except ValueError as error:
            return Refused(str(error), asked=False)
        async with self._turn:
            return await self._deliver(to, mail, message.notification_id)

    async def close(self) -> None:
        async with self._turn:
            await self._say_goodbye()

    async def _deliver(self, to: str, mail: bytes, notification_id: str) -> Outcome:
        try:
            async with asyncio.timeout(self._server.most_seconds):
                client = await self._connected()
                answer = await self._hand_over(client, to, mail, notification_id)
            return Sent(answer[:LONGEST_REASON])
        except (SMTPException, OSError) as error:  # a timeout is an OSError
            if _is_over(error):
                self._hang_up()
            return outcome_of(error)
        except BaseException:
            self._hang_up()  # it is in the middle of something
            raise

    async def _hand_over(self, client: aiosmtplib.SMTP, to: str, mail: bytes, notification_id: str) -> str:
        # a server that knows delivery reports is asked to name the notification in them
        options = [f"ENVID={notification_id}", "RET=HDRS"] if client.supports_extension("dsn") else []
        _, answer = await client.sendmail(self._sender.envelope, to, mail, mail_options=options)
        self._carried += 1
        return answer

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and not await self._is_usable(self._client):
            await self._say_goodbye()
        if self._client is None:
            self._client, self._carried = self._new_client(), 0
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                await self._client.ehlo()  # what it can is asked before the first mail, not with it
        return self._client

    async def _is_usable(self, client: aiosmtplib.SMTP) -> bool:
        """Servers hang up on who was silent for long: asked before a mail is begun, so that none is begun twice."""
        if self._carried >= self._server.mails_per_connection:
            return False
        try:
            await client.rset()
        except (SMTPException, OSError):
            self._hang_up()
            return False
        return True

    def _new_client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=server.own_name,
            timeout=server.seconds,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls if server.security != "none" else None,
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file)

    async def _say_goodbye(self) -> None:
        if self._client is not None:
            with suppress(SMTPException, OSError):
                await self._client.quit()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


def outcome_of(error: SMTPException | OSError) -> Outcome:
    """Return what an error means for the mail."""
    match error:
        case SMTPRecipientsRefused(recipients=[first, *_]):
            return _of_recipient(first.code, first.message)
        case SMTPDataError(code=code, message=text) if code >= PERMANENT:
            # a bare code says something of the mail here, not of the address
            return Refused(_reason(code, text), gone=is_gone(status_in(text)))
        case SMTPSenderRefused(code=code, message=text) if code == TOO_LARGE:
            return Refused(_reason(code, text))
        case SMTPDataError(code=code, message=text):
            return Later(_reason(code, text), away=code == CLOSING)
        case aiosmtplib.SMTPResponseException(code=code, message=text):
            return Later(_reason(code, text), away=True)
        case _:
            return Later(f"the mail server does not answer: {error!r}"[:LONGEST_REASON], away=True)


def _of_recipient(code: int, text: str) -> Outcome:
    if code >= PERMANENT:
        return Refused(_reason(code, text), gone=is_gone(status_in(text), code))
    return Later(_reason(code, text), away=code == CLOSING)


def _is_over(error: SMTPException | OSError) -> bool:
    """Whether the connection can't be used for the next mail."""
    match error:
        case SMTPRecipientsRefused(recipients=[first, *_]):
            return first.code == CLOSING
        case SMTPSenderRefused(code=code) | SMTPDataError(code=code):
            return code == CLOSING
        case _:
            return True


def _reason(code: int, text: str) -> str:
    return f"{code} {' '.join(text.split())}"[:LONGEST_REASON]
