"""What the notifications service takes from its environment beside what every service does."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.settings import DatabaseUrl, Settings


class NotificationsSettings(Settings):
    """Without a database URL the service keeps a PostgreSQL of its own in `data_dir`."""

    services: ClassVar[frozenset[str]] = frozenset({"notifications"})

    notifications_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    notifications_guesses_per_minute: Annotated[int, Field(ge=1)] = 30
    """So many codes that do not exist an API key may name in a minute, in each process; then it is told nothing for a while."""
