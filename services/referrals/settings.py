"""What the referrals service takes from its environment beside what every service does."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from shared.settings import DatabaseUrl, Secret, Settings

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class ReferralsSettings(Settings):
    """Without a database URL the service keeps a PostgreSQL of its own in `data_dir`."""

    services: ClassVar[frozenset[str]] = frozenset({"referrals"})

    referrals_database_url: DatabaseUrl | None = Field(default=None, repr=False)
    referrals_contact_key: Secret | None = Field(default=None, repr=False)
    """Contact data is kept as hashes under this key only; with another key nobody is recognised any more.

    Needed where a database URL is given; beside a PostgreSQL of our own one is drawn and kept in `data_dir`.
    """
    referrals_phone_region: Region = "DE"
    """The country of phone numbers that say none."""
    referrals_guesses_per_minute: Annotated[int, Field(ge=1)] = 30
    """So many codes that do not exist an API key may name in a minute, in each process; then it is told nothing for a while."""
