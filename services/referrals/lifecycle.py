"""The only writer of recommendations and pairs; nothing can be asked of it yet."""

import datetime as dt
from collections.abc import Sequence
from typing import Never

from sqlalchemy.ext.asyncio import AsyncConnection


class Lifecycle:
    """Books what is asked, in the caller's transaction."""

    async def book(
        self,
        _connection: AsyncConnection,
        requests: Sequence[Never],
        *,
        now: dt.datetime,  # noqa: ARG002 - nothing is asked
    ) -> Sequence[Never]:
        """Return an answer for each request, in their order."""
        return [*requests]
