"""The published versions of a service's programme: read once, and added to."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Generic

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import fetch
from shared.documents import Content, Fault, Version, Versions

LATEST = "SELECT max(version) AS version FROM programme"
LOAD = "SELECT version, valid_from, document::text AS document FROM programme ORDER BY version"
LOCK = "LOCK TABLE programme IN SHARE ROW EXCLUSIVE MODE"
INSERT = """
INSERT INTO programme (version, valid_from, document, published_at, published_by)
VALUES ($1, $2::text::timestamptz, $3::text::jsonb, $4, $5)"""


class Published(Generic[Content]):
    """Versions of programmes that are `content`; `faults` are those for which none is ever published."""

    def __init__(self, content: type[Content], faults: Callable[[Content], Sequence[Fault]]) -> None:
        self._content = content
        self._faults = faults
        self._versions: Versions[Content] | None = None

    async def versions(self, connection: AsyncConnection) -> Versions[Content]:
        """Return the published programmes as this transaction sees them."""
        return await self.up_to(connection, (await fetch(connection, LATEST))[0]["version"])

    async def up_to(self, connection: AsyncConnection, latest: int) -> Versions[Content]:
        """Return them where it is known already that `latest` is the last one: what `LATEST` asks, beside other questions."""
        if self._versions is None or self._versions.latest != latest:
            self._versions = Versions([self._version(*row) for row in await fetch(connection, LOAD)])
        return self._versions

    def _version(self, version: int, valid_from: dt.datetime, document: str) -> Version[Content]:
        programme = self._content.model_validate_json(document)
        return Version(version=version, valid_from=valid_from, programme=programme)

    async def publish(
        self, connection: AsyncConnection, programme: Content, *, valid_from: dt.datetime, now: dt.datetime, actor: str
    ) -> tuple[Version[Content], bool]:
        """Add a version, unless what holds at `valid_from` is this document. Answers the version and whether it is new.

        The programme has no faults: who asks has looked for them.
        """
        assert not self._faults(programme)  # noqa: S101 - the second of the pair
        await fetch(connection, LOCK)
        versions = await self.versions(connection)
        current = versions.at(valid_from)
        if current.programme == programme:
            return current, False
        version = Version(version=versions.latest + 1, valid_from=valid_from, programme=programme)
        document = programme.model_dump_json(by_alias=True)
        # as text, since the driver takes the first and the last instant of all for infinite
        begins = valid_from.astimezone(dt.UTC).isoformat()
        await fetch(connection, INSERT, version.version, begins, document, now, actor)
        return version, True
