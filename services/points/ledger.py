"""The only writer of the books: load, decide, save, in the caller's transaction.

What exists is locked before it is changed: purchases, cards, proposals, grants, accounts, budgets, rewards (for their stock), limits
of keys, sorted inside. A claim of a reward is guarded by the lock of its account. What is new is inserted at the end, and
its unique key is the judge: whoever comes second starts again and finds it.
"""

import datetime as dt
import secrets
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.points.commands import Command, Outcome, Reply, Request
from services.points.decisions import decide
from services.points.loading import Loader
from services.points.programme import Programme, Version, Versions, faults
from services.points.rules import campaigns, draws
from services.points.rules.earning import UNUSED
from services.points.saving import save
from shared import answers
from shared.database import CollisionError, fetch
from shared.documents import UnpublishableError

LOCK_PROGRAMMES = "LOCK TABLE programme IN SHARE ROW EXCLUSIVE MODE"

INSERT_PROGRAMME = """
INSERT INTO programme (version, valid_from, document, published_at, published_by)
VALUES ($1, $2::text::timestamptz, $3::text::jsonb, $4, $5)"""

# What a campaign gave before it had a budget counts too. Until the commit nobody else counts a use, so none is missed; as
# batches count uses before they add to budgets, what comes later finds the budget.
LOCK_USES = "LOCK TABLE campaign_use IN SHARE ROW EXCLUSIVE MODE"
OPEN_BUDGETS = """
INSERT INTO campaign_budget (campaign, points, awards)
SELECT name, coalesce(sum(u.points), 0), coalesce(sum(u.awards), 0)
  FROM unnest($1::text[]) AS name LEFT JOIN campaign_use u ON u.campaign = name GROUP BY name
ON CONFLICT DO NOTHING"""


# one for all versions of a campaign: a draw is not repeated until somebody likes it
OPEN_DRAW = "INSERT INTO draw_secret (campaign, secret, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


REVEALED = "SELECT campaign FROM draw_secret WHERE revealed_at IS NOT NULL AND campaign = ANY($1::text[]) LIMIT 1"


class RevealedError(UnpublishableError):
    """A campaign would draw by a secret that was revealed: it needs another name, and with it another secret."""

    def __init__(self, campaign: str) -> None:
        super().__init__(
            "/campaigns", "secret-revealed", f"the secret of {campaign} was revealed: give it another name"
        )


class Ledger:
    """Books requests in the caller's transaction."""

    def __init__(self) -> None:
        self._loader = Loader()

    async def book(self, connection: AsyncConnection, requests: Sequence[Request], *, now: dt.datetime) -> list[Reply]:
        """Load, decide, save. Answers one reply per request, in their order; the caller commits.

        Raises `CollisionError` (another transaction was first, so the same work again) and the database's errors.
        """
        books = await self._loader.load(connection, requests, now)
        replies = decide(books, requests)
        self._loader.give_back(books)
        await save(connection, books.changes, now)
        await answers.save(connection, books.answers, now=now)
        # only now, with its uses counted, does the batch keep others from publishing a budget for them
        if books.changes.uses and (await self.versions(connection)).latest != books.versions.latest:
            raise CollisionError("a programme was published, by which campaigns may have a budget")
        return replies

    async def preview(
        self, connection: AsyncConnection, commands: Sequence[Command], *, now: dt.datetime
    ) -> list[Outcome]:
        """Decide as `book` would and save nothing; the caller rolls back, which frees what was locked."""
        requests = [Request(list(commands))]
        books = await self._loader.load(connection, requests, now)
        # whoever asks must not learn which purchases a campaign will draw
        books.secrets = {}
        (reply,) = decide(books, requests)
        self._loader.give_back(books)
        return reply.outcomes

    async def publish(
        self,
        connection: AsyncConnection,
        programme: Programme,
        *,
        valid_from: dt.datetime,
        now: dt.datetime,
        actor: str,
    ) -> tuple[Version, bool]:
        """Add a version, unless what holds at `valid_from` is this document. Answers the version and whether it is new.

        The programme has no faults: who asks has looked for them. Accounts are not touched: each knows under which
        version it was settled last. Raises `RevealedError`.
        """
        assert not faults(programme)  # noqa: S101 - the second of the pair
        await fetch(connection, LOCK_PROGRAMMES)
        versions = await self.versions(connection)
        current = versions.at(valid_from)
        if current.programme == programme:
            return current, False
        version = Version(version=versions.latest + 1, valid_from=valid_from, programme=programme)
        document = programme.model_dump_json(by_alias=True, exclude_defaults=True)
        # as text, since the driver takes the first and the last instant of all for infinite
        begins = valid_from.astimezone(dt.UTC).isoformat()
        await fetch(connection, INSERT_PROGRAMME, version.version, begins, document, now, actor)
        await _open_draws(connection, programme, valid_from=valid_from, now=now)
        budgeted = {each.name for each in programme.campaigns if each.budget is not None}
        if budgeted - versions.budgeted_campaigns:
            await fetch(connection, LOCK_USES)
            await fetch(connection, OPEN_BUDGETS, sorted(budgeted - versions.budgeted_campaigns))
        return version, True

    async def versions(self, connection: AsyncConnection) -> Versions:
        """Return the published programmes as this transaction sees them."""
        return await self._loader.versions(connection)


async def _open_draws(
    connection: AsyncConnection, programme: Programme, *, valid_from: dt.datetime, now: dt.datetime
) -> None:
    """Give each campaign with a share its secret. Raises `RevealedError`."""
    drawing = [each.name for each in programme.drawing if campaigns.state(each, UNUSED, max(valid_from, now)) != "over"]
    revealed = await fetch(connection, REVEALED, drawing) if drawing else []
    if revealed:
        raise RevealedError(revealed[0][0])
    for campaign in programme.drawing:
        await fetch(connection, OPEN_DRAW, campaign.name, secrets.token_bytes(draws.SECRET_BYTES), now)
