"""Links in messages, which do what they say without a login: signed, so that nobody makes one for somebody else.

A link is `<public URL>/<what for>/<token>`, and a token is base64url(JSON) "." base64url(HMAC-SHA256). None of them ends by
itself: whoever finds a mail of years ago can still unsubscribe; what a link may no longer do is judged where it is done.
"""

import base64
import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, TypeVar

import orjson

from services.notifications.settings import NotificationsSettings
from shared.kept_keys import reader_of


class Unsubscribe(NamedTuple):
    """Say no to messages of a purpose on a channel."""

    customer_id: str
    channel: str
    purpose: str


class Preferences(NamedTuple):
    """See and change what is sent."""

    customer_id: str


class Confirm(NamedTuple):
    """Confirm the yes that was said at an instant (ISO 8601)."""

    customer_id: str
    channel: str
    purpose: str
    asked_at: str


Deed = TypeVar("Deed", Unsubscribe, Preferences, Confirm)

PATHS: dict[type[NamedTuple], str] = {Unsubscribe: "unsubscribe", Preferences: "preferences", Confirm: "confirm"}


class Links:
    """Makes links that lead to `public_url`, and reads their tokens."""

    def __init__(self, read_key: Callable[[], bytes], public_url: str) -> None:
        self._read_key = read_key
        self._public_url = public_url.rstrip("/")

    @cached_property
    def _key(self) -> bytes:
        return self._read_key()

    def unsubscribe(self, customer_id: str, channel: str, purpose: str) -> str:
        """Return the link that ends messages of a purpose on a channel, also by one click of a mail client (RFC 8058)."""
        return self._link(Unsubscribe(customer_id, channel, purpose))

    def preferences(self, customer_id: str) -> str:
        return self._link(Preferences(customer_id))

    def confirm(self, customer_id: str, channel: str, purpose: str, asked_at: dt.datetime) -> str:
        """Return the link that confirms a consent, of the question that was asked at that instant."""
        return self._link(Confirm(customer_id, channel, purpose, asked_at.astimezone(dt.UTC).isoformat()))

    def read(self, token: str, deed: type[Deed]) -> Deed | None:
        """Return what a token is for; nothing where it is not one of ours, or is for something else."""
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return None
        path, *named = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return deed(*named) if path == PATHS[deed] else None

    def _link(self, deed: Unsubscribe | Preferences | Confirm) -> str:
        path = PATHS[type(deed)]
        body = _text(orjson.dumps([path, *deed]))
        return f"{self._public_url}/{path}/{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        return _text(hmac.digest(self._key, body.encode(), hashlib.sha256))


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def links_of(settings: NotificationsSettings) -> Links:
    """Return what makes links here. Raises `SettingsError` where no key is set for a database that others have."""
    read_key = reader_of(settings, "notifications_link_key", beside="notifications_database_url", file="link.key")
    here = f"http://127.0.0.1:{settings.port}/notifications"
    return Links(read_key, settings.notifications_public_url or here)
