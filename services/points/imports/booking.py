"""Books what was found in batches through the one writer; tells what is new from what was there already."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from services.points.commands import AwardPurchase, Command, Outcome, Request, refused
from services.points.service import PointsService
from shared.database import DatabaseAwayError, UnusableError
from shared.messaging.waiting import pauses

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Booked:
    """What a run has newly booked; `points` before clawbacks, `customers` who made its purchases."""

    purchases: int = 0
    customers: int = 0
    points: int = 0
    refunds: int = 0
    last_customer: str | None = None

    def count(self, command: Command, outcome: Outcome) -> None:
        """Count one outcome; commands come customer by customer."""
        if outcome.status in {"refused", "repeated"}:
            return
        if not isinstance(command, AwardPurchase):
            self.refunds += 1
            return
        self.purchases += 1
        self.points += outcome.purchase.points if outcome.purchase else 0
        self.customers += command.purchase.customer_id != self.last_customer
        self.last_customer = command.purchase.customer_id


async def book(points: PointsService, commands: Sequence[Command], *, dry_run: bool = False) -> list[Outcome]:
    """Book a batch in one transaction, and again while the database is away; what it cannot take costs only itself."""
    for pause in pauses():
        try:
            return await _at_once(points, commands, dry_run=dry_run)
        except DatabaseAwayError as error:
            log.warning("database_away", error=str(error), retry_in=round(pause, 1))
            await asyncio.sleep(pause)
        except UnusableError as error:
            if len(commands) == 1:
                return [refused("unprocessable", str(error))]
            break
    middle = len(commands) // 2
    return [
        *await book(points, commands[:middle], dry_run=dry_run),
        *await book(points, commands[middle:], dry_run=dry_run),
    ]


async def _at_once(points: PointsService, commands: Sequence[Command], *, dry_run: bool) -> list[Outcome]:
    if dry_run:
        return await points.preview(*commands)
    return (await points.book([Request(list(commands))]))[0].outcomes
