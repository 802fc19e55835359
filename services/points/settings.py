"""What the points service takes from its environment beside what every service does."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from shared.settings import DatabaseUrl, Settings

AccountName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")
]
ACCOUNT = "points_account_"


class PointsSettings(Settings):
    """Without a database URL the service keeps a PostgreSQL of its own in `data_dir`."""

    services: ClassVar[frozenset[str]] = frozenset({"points"})

    points_database_url: DatabaseUrl | None = Field(default=None, repr=False)

    points_account_outstanding: AccountName | None = None
    """The name of an account in the journal, as the shop's bookkeeping has it; without one it is in English."""
    points_account_pending: AccountName | None = None
    points_account_held: AccountName | None = None
    points_account_owed: AccountName | None = None
    points_account_expense: AccountName | None = None
    points_account_adjustments: AccountName | None = None
    points_account_redemptions: AccountName | None = None
    points_account_breakage: AccountName | None = None
    points_account_write_offs: AccountName | None = None
    points_account_transfers: AccountName | None = None

    def account_names(self) -> Mapping[str, str]:
        """Return the names of the journal's accounts, as far as they are set."""
        named = {name: value for name, value in self if name.startswith(ACCOUNT)}
        return {name.removeprefix(ACCOUNT): value for name, value in named.items() if value is not None}
