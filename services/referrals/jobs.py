"""The jobs of the referrals service: what was kept long enough is let go."""

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.referrals.service import ReferralsService
from shared.housekeeping import ANSWERS, KEPT, LETTERS, Old, count, let_go
from shared.jobs import Job, Tell

CONNECTIONS = 2
"""What an engine for these jobs needs: one for the lock, one for the batches."""


def jobs(referrals: ReferralsService, engine: AsyncEngine) -> list[Job]:
    """Return the service's jobs; `engine` has `CONNECTIONS` of its own, so that they take none from the API."""

    def old() -> list[Old]:
        before = referrals.clock() - KEPT
        return [Old(ANSWERS, before), Old(LETTERS, before)]

    async def keep_house(tell: Tell) -> int:
        return await let_go(engine, old(), tell)

    async def waiting(connection: AsyncConnection) -> int:
        return await count(connection, old())

    return [
        Job(
            "housekeeping",
            "answers and settled dead letters: what was kept long enough is let go",
            dt.timedelta(hours=1),
            keep_house,
            waiting,
        )
    ]
