"""What the notifications service takes from its environment beside what every service does."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from services.notifications.channels.destinations import Network
from services.notifications.channels.mail import AddressError, mail_address
from services.notifications.channels.servers import mail_server
from shared.settings import DatabaseUrl, Secret, Settings

PublicUrl = Annotated[
    str, StringConstraints(pattern=r"^(https://[!-~]+|http://(127\.0\.0\.1|localhost)([:/][!-~]*)?)$", max_length=200)
]
"""Mail with another link to unsubscribe would never leave."""


def networks(text: str) -> tuple[Network, ...]:
    """Return networks like `10.0.0.0/8,192.168.7.0/24`. Raises `ValueError`."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def _checked_url(text: str) -> str:
    mail_server(text)
    return text


def _checked_networks(text: str) -> str:
    networks(text)
    return text


def _checked_address(text: str) -> str:
    try:
        return mail_address(text)
    except AddressError as error:
        raise ValueError(str(error)) from None


MailAddress = Annotated[str, AfterValidator(_checked_address)]
Rate = Annotated[float, Field(gt=0, le=10_000)]


class NotificationsSettings(Settings):
    """Without a database URL the service keeps a PostgreSQL of its own in `data_dir`."""

    services: ClassVar[frozenset[str]] = frozenset({"notifications"})

    notifications_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    notifications_link_key: Secret | None = Field(default=None, repr=False)
    """Links in messages are signed with it; with another key those that were sent no longer lead anywhere.

    Needed where a database URL is given; beside a PostgreSQL of our own one is drawn and kept in `data_dir`.
    """
    notifications_public_url: PublicUrl | None = None
    """Where customers reach the pages of this service; without it, links lead to all services in one process on this machine."""
    notifications_guesses_per_minute: Annotated[int, Field(ge=1)] = 30
    """So many codes that do not exist an API key may name in a minute, in each process; then it is told nothing for a while."""
    notifications_smtp_url: Annotated[str, AfterValidator(_checked_url)] | None = Field(default=None, repr=False)
    """Where mail is handed in; without it, and without a file outbox, mail is left to the shop's own mailer."""
    notifications_sender_address: MailAddress | None = None
    """Needed where mail is handed in; the name beside it is the programme's."""
    notifications_reply_to: MailAddress | None = None
    notifications_bounce_address: MailAddress | None = None
    """Where mail comes back to that does not arrive; without it to the sender."""
    notifications_file_outbox: Path | None = None
    """A folder that mail is written to for a browser to open; the default beside a database of our own: `outbox` in `data_dir`."""
    notifications_mails_per_second: Rate = 20.0
    """In each process."""
    notifications_calls_per_second: Rate = 20.0
    """To each web hook, in each process."""
    notifications_hook_networks: Annotated[str, AfterValidator(_checked_networks)] = ""
    """Networks of the house that web hooks may be in, though they are not public, like `10.0.0.0/8,192.168.7.0/24`."""
    notifications_hooks_without_tls: bool = False
    """Whether web hooks may have a URL that begins with `http://`."""

    @property
    def outbox_folder(self) -> Path | None:
        """Where mail is written to; nowhere, where there is a server to hand it to."""
        if self.notifications_smtp_url is not None:
            return None
        is_ours = self.notifications_database_url is None
        return self.notifications_file_outbox or (self.data_dir / "outbox" if is_ours else None)

    @property
    def delivers_mail(self) -> bool:
        return self.notifications_smtp_url is not None or self.outbox_folder is not None
