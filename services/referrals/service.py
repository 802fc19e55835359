"""The referrals service put together: its database, its writer and the batches that calls form."""

import datetime as dt
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from services.referrals.commands import Reply, Request
from services.referrals.contacts import Contacts
from services.referrals.lifecycle import Lifecycle
from services.referrals.programme import Programme
from shared.clock import utc_now
from shared.publishing import Publishing


class ReferralsService(Publishing[Request, Reply, Programme]):
    """The writer behind the batches."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        contacts: Contacts,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.lifecycle = Lifecycle()
        self.contacts = contacts
        super().__init__(engine, self.lifecycle, clock=clock, committed=committed)
