"""The notifications service put together: its database, its writer and the batches that calls form."""

import datetime as dt
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifications.commands import Reply, Request
from services.notifications.delivery import Delivery
from services.notifications.links import Links
from services.notifications.programme import Programme
from shared.clock import utc_now
from shared.publishing import Publishing


class NotificationsService(Publishing[Request, Reply, Programme]):
    """The writer behind the batches."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        links: Links,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.delivery = Delivery()
        self.links = links
        super().__init__(engine, self.delivery, clock=clock, committed=committed)
