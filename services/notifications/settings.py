"""What the notifications service takes from its environment beside what every service does."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from shared.settings import DatabaseUrl, Secret, Settings

PublicUrl = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$", max_length=200)]


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
