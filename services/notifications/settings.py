"""What the notifications service takes from its environment beside what every service does."""

from typing import ClassVar

from pydantic import Field

from shared.settings import DatabaseUrl, Settings


class NotificationsSettings(Settings):
    """Without a database URL the service keeps a PostgreSQL of its own in `data_dir`."""

    services: ClassVar[frozenset[str]] = frozenset({"notifications"})

    notifications_database_url: DatabaseUrl | None = Field(default=None, repr=False)
