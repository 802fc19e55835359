"""The only writer of coupons: load, decide, save, in the caller's transaction.

Locked in this order, sorted inside: codes, purchases, coupons, customers. What is new is inserted at the end, and its
unique key is the judge.
"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.commands import Reply, Request
from services.notifications.decisions import decide
from services.notifications.loading import load
from services.notifications.saving import save
from shared import answers


class Delivery:
    """Books requests in the caller's transaction."""

    async def book(self, connection: AsyncConnection, requests: Sequence[Request], *, now: dt.datetime) -> list[Reply]:
        """Load, decide, save. Answers one reply per request, in their order; the caller commits.

        Raises `CollisionError` (another transaction was first, so the same work again) and the database's errors.
        """
        books = await load(connection, requests, now)
        replies = decide(books, requests)
        await save(connection, books.changes)
        await answers.save(connection, books.answers, now=now)
        return replies
