"""Delivers to web hooks, signed as Standard Webhooks: gateways for chat and SMS, mailers of a shop, CRMs.

A hook is somebody else's address that our own machine calls. So it is called at public addresses only, follows no redirect, knows no
proxy of the environment, and is heard no longer and no louder than is good for us.
"""

import asyncio
import base64
import binascii
import datetime as dt
import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
from standardwebhooks.webhooks import Webhook as Signature

from services.notifications.channels.destinations import (
    ForbiddenAddressError,
    LookUp,
    Network,
    destinations,
    look_up,
)
from services.notifications.channels.message import Later, Message, Outcome, Refused, Sent

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
FEWEST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
LONGEST_REASON = 500
SECONDS_FOR_REASON = 2.0
LONGEST_WAIT = dt.timedelta(days=1)
FRAMING = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})
HEADER = re.compile(r"[A-Za-z0-9-]+: [ -~]*")
GONE = 410
NOT_YET = frozenset({408, 425, 429})
SERVER_ERROR = 500
LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Where a shop wants its messages. The first of `secrets` is the newest; all of them sign, so that one can be replaced.

    `allowed_networks` are called although they are not public; `plain_http` lets a hook do without TLS.
    """

    url: str
    secrets: Sequence[str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allowed_networks: Sequence[Network] = ()
    plain_http: bool = False
    most_bytes: int = 256 << 10
    connect_seconds: float = 5.0
    seconds: float = 20.0

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError("a web hook should have a secret")
        for secret in self.secrets:
            _check_secret(secret)
        for name, value in self.headers.items():
            _check_header(name, value)
        if _checked_url(self.url).scheme != "https" and not self.plain_http:
            raise ValueError("the URL of a web hook should begin with https://")


class Webhook:
    """One hook, and its connections: they are kept under the address they go to, so no other host may share them."""

    def __init__(
        self,
        hook: Hook,
        *,
        now: Callable[[], dt.datetime],
        ask: LookUp = look_up,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hook = hook
        self._url = httpx.URL(hook.url)
        self._now = now
        self._ask = ask
        self._client = httpx.AsyncClient(
            verify=tls or _public_authorities(),
            timeout=httpx.Timeout(hook.seconds, connect=hook.connect_seconds),
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # who is called has nothing to keep with us
        )

    async def send(self, message: Message) -> Outcome:
        """Post a message, under the notification's id whenever it is tried."""
        body = payload(message)
        if len(body) > self._hook.most_bytes:
            return Refused(f"the message has more than {self._hook.most_bytes} bytes", asked=False)
        try:
            async with asyncio.timeout(self._hook.seconds):
                return await self._call(message.notification_id, body)
        except ForbiddenAddressError as error:
            return Refused(str(error), asked=False)
        except (httpx.TransportError, OSError) as error:  # a timeout is an OSError
            return Later(f"the web hook does not answer: {error!r}"[:LONGEST_REASON], away=True)

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, notification_id: str, body: bytes) -> Outcome:
        host = self._url.raw_host.decode()
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        addresses = await destinations(host, port, self._hook.allowed_networks, ask=self._ask)
        response = await self._connect(addresses, self._headers(notification_id, body), body)
        try:
            return outcome_of(response, await _beginning(response), now=self._now())
        finally:
            await response.aclose()

    async def _connect(self, addresses: Sequence[str], headers: httpx.Headers, body: bytes) -> httpx.Response:
        """Post to the first address that can be connected to; certificates are still judged by the host's name."""
        *first, last = [
            self._client.build_request(
                "POST",
                self._url.copy_with(host=address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": self._url.raw_host.decode()},
            )
            for address in addresses
        ]
        for request in first:
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._client.send(last, stream=True)

    def _headers(self, notification_id: str, body: bytes) -> httpx.Headers:
        headers = httpx.Headers({"User-Agent": "loyalty-notifications", **self._hook.headers})
        headers.update(signature(notification_id, body, self._hook.secrets, now=self._now()))
        headers["Host"] = self._url.netloc.decode()
        headers["Content-Type"] = "application/json"
        headers["Accept-Encoding"] = "identity"  # nothing small unpacks into something large
        return headers


def payload(message: Message) -> bytes:
    """Return what is posted: the same bytes whenever a message is tried."""
    data = {
        "notification_id": message.notification_id,
        "customer_id": message.customer_id,
        "purpose": message.purpose,
        "to": message.to,
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        "unsubscribe_url": message.unsubscribe_url,
    }
    written = message.written_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    event = {"type": "notification.requested", "timestamp": written, "data": data}
    return json.dumps(event, separators=(",", ":")).encode()


def signature(notification_id: str, body: bytes, secrets: Sequence[str], *, now: dt.datetime) -> Mapping[str, str]:
    """Return the three headers of Standard Webhooks, with a signature for each secret."""
    signed_at = now.astimezone(dt.UTC)  # the library takes an instant of any zone for one of UTC
    signatures = [Signature(secret).sign(notification_id, signed_at, body.decode()) for secret in secrets]
    return {
        "webhook-id": notification_id,
        "webhook-timestamp": str(int(signed_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def outcome_of(response: httpx.Response, said: str, *, now: dt.datetime) -> Outcome:
    """Return what an answer means: 2xx is taken, 410 ends the hook, what may pass is for later, the rest is refused."""
    reason = f"{response.status_code} {said}".strip()
    if response.is_success:
        return Sent(reason)
    if response.status_code in NOT_YET or response.status_code >= SERVER_ERROR:
        return Later(reason, retry_after(response.headers.get("Retry-After"), now=now), away=True)
    return Refused(reason, gone=response.status_code == GONE)


def retry_after(value: str | None, *, now: dt.datetime) -> dt.datetime | None:
    """Return the instant that a `Retry-After` names, in seconds or as a date, at most a day ahead."""
    if value is None:
        return None
    seconds = value.strip()
    if seconds.isascii() and seconds.isdigit():
        return now + min(dt.timedelta(seconds=int(seconds[:9])), LONGEST_WAIT)
    try:
        named = parsedate_to_datetime(value)
    except ValueError:
        return None
    named = named.replace(tzinfo=named.tzinfo or dt.UTC)
    return min(max(named, now), now + LONGEST_WAIT)


async def _beginning(response: httpx.Response) -> str:
    """The first words of an answer, for whoever looks why. How it goes on, or ends, changes nothing: its status has said it."""
    read = b""
    with suppress(httpx.TransportError, TimeoutError):
        async with asyncio.timeout(SECONDS_FOR_REASON):
            async for piece in response.aiter_raw():
                read += piece
                if len(read) >= LONGEST_REASON:
                    break
    text = read[:LONGEST_REASON].decode(errors="replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _check_secret(secret: str) -> None:
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not FEWEST_SECRET_BYTES <= len(key) <= MOST_SECRET_BYTES:
        raise ValueError("a web hook's secret should be whsec_ and 24 to 64 random bytes in base64")


def _check_header(name: str, value: str) -> None:
    if name.lower() in FRAMING or not HEADER.fullmatch(f"{name}: {value}"):
        raise ValueError(f"a web hook is sent no header {name!r} of that kind")


def _checked_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"the URL of a web hook is none: {error}") from None
    if (
        url.scheme not in {"http", "https"}
        or not url.host
        or (url.port or 0) > LAST_PORT
        or url.userinfo
        or url.fragment
    ):
        raise ValueError(
            "the URL of a web hook should be like https://hooks.example/path, without a name, password or #"
        )
    return url


@cache
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
