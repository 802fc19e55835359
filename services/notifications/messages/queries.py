"""Reading notifications without locking them."""

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.loading import columns
from services.notifications.records import Dispatch, Notification
from shared.database import fetch

Listed = Literal["planned", "failed"]

# a statement each, so that its partial index is seen
LISTS: dict[Listed, str] = {
    status: f"""
SELECT {columns(Notification)} FROM notification
 WHERE status = '{status}' AND (due_at, notification_id) > ($1::timestamptz, $2::uuid)
   AND ($3::text IS NULL OR channel = $3) ORDER BY due_at, notification_id LIMIT $4"""
    for status in ("planned", "failed")
}

ONE = f"SELECT {columns(Notification)} FROM notification WHERE notification_id = $1"
DISPATCH = f"SELECT {columns(Dispatch)} FROM dispatch WHERE notification_id = $1"
REACHED = "SELECT email, phone FROM customer WHERE customer_id = $1"

FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), UUID(int=0)


async def notifications(
    connection: AsyncConnection, status: Listed, channel: str | None, *, after: tuple[dt.datetime, UUID], limit: int
) -> list[Notification]:
    """Return notifications that wait or have failed, those first that were due first."""
    return [Notification(*row) for row in await fetch(connection, LISTS[status], *after, channel, limit)]


async def notification(connection: AsyncConnection, key: UUID) -> Notification | None:
    rows = await fetch(connection, ONE, key)
    return Notification(*rows[0]) if rows else None


async def dispatch(connection: AsyncConnection, key: UUID) -> Dispatch | None:
    """Return how we deliver a notification, where we do."""
    rows = await fetch(connection, DISPATCH, key)
    return Dispatch(*rows[0]) if rows else None


async def contacts(connection: AsyncConnection, customer_id: str) -> dict[str, Any]:
    """Return the mail address and phone number of a customer, as far as there are any."""
    rows = await fetch(connection, REACHED, customer_id)
    return dict(rows[0]) if rows else {"email": None, "phone": None}
