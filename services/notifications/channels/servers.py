"""Where mail is handed in, as a shop names it: a URL, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SUBMISSION, SUBMISSION_OVER_TLS = 587, 465
SECURITIES: Mapping[str, Literal["none", "starttls"]] = {"none": "none", "starttls": "starttls"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in. `starttls` and `tls` are kept to: a server without them gets nothing.

    `seconds` is the patience with one answer, `most_seconds` with a mail. `ca_file` is for a server with a certificate of the house.
    """

    host: str
    port: int
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    own_name: str | None = None
    mails_per_connection: int = 100
    seconds: float = 30.0
    most_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.username is not None and self.security == "none" and self.host not in LOOPBACK:
            raise ValueError("a password is sent to a mail server only with starttls or tls")


def mail_server(url: str) -> MailServer:
    """Return where a URL like `smtp://user:password@host:587` leads. Raises `ValueError`.

    `smtps` is encrypted from the start, `smtp` from STARTTLS on, unless the host is this machine or it says `?security=none`.
    """
    parts = urlsplit(url)
    asked = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    if (
        parts.scheme not in {"smtp", "smtps"}
        or not parts.hostname
        or parts.path not in {"", "/"}
        or asked.keys() - {"security"}
    ):
        raise ValueError("should be a URL like smtps://user:password@host:465")
    plain = "none" if parts.hostname in LOOPBACK else "starttls"
    security = SECURITIES.get(asked.get("security", [plain])[0])
    if security is None:
        raise ValueError("should say ?security=none or ?security=starttls, if any")
    default = SUBMISSION_OVER_TLS if parts.scheme == "smtps" else SUBMISSION
    return MailServer(
        host=parts.hostname,
        port=parts.port or default,
        security="tls" if parts.scheme == "smtps" else security,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
