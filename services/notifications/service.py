"""The notifications service put together: its database, its writer and the batches that calls form."""

import datetime as dt
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifications.books import House
from services.notifications.commands import Reply, Request
from services.notifications.delivery import Delivery
from services.notifications.links import Links
from services.notifications.programme import Programme
from services.notifications.templates.document import Stored, Template
from shared import audit
from shared.clock import utc_now
from shared.database import transact
from shared.publishing import Publishing


class NotificationsService(Publishing[Request, Reply, Programme]):
    """The writer behind the batches."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        links: Links,
        delivers_mail: bool = False,
        clock: Callable[[], dt.datetime] = utc_now,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.delivery = Delivery(House(links, delivers_mail=delivers_mail))
        self.links = links
        super().__init__(engine, self.delivery, clock=clock, committed=committed)

    async def save_template(
        self, name: str, template: Template, *, actor: str, request_id: str | None = None
    ) -> tuple[Stored, bool]:
        """Save a template without faults. Answers it, and whether that is new. Raises `UnpublishableError`."""

        async def work(connection: AsyncConnection) -> tuple[Stored, bool]:
            now = self.clock()
            stored, is_new = await self.delivery.save_template(connection, name, template, now=now, actor=actor)
            if is_new:
                await audit.record(connection, actor, "template.save", f"{name} {stored.version}", request_id)
            return stored, is_new

        return await transact(self.engine, work)
