"""The templates that hold: what a shop has saved under a name, and the default of a name that nobody saved."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.templates.defaults import TEMPLATES
from services.notifications.templates.document import Stored, Template
from shared.database import fetch

LATEST = "SELECT name, max(version) AS version FROM template GROUP BY name"
LOAD = """
SELECT t.name, t.version, t.document::text AS document
  FROM unnest($1::text[], $2::int[]) AS k(name, version) JOIN template t ON t.name = k.name AND t.version = k.version"""

DEFAULTS: Mapping[str, Stored] = {name: Stored(name, 0, template) for name, template in TEMPLATES.items()}


class Shelf:
    """Reads anew only what was saved since."""

    def __init__(self) -> None:
        self._kept: dict[str, Stored] = {}

    async def templates(self, connection: AsyncConnection) -> Mapping[str, Stored]:
        """Return the templates that hold by their names, as this transaction sees them."""
        latest = {row["name"]: row["version"] for row in await fetch(connection, LATEST)}
        stale = {name: version for name, version in latest.items() if self._version(name) != version}
        if stale:
            for name, version, document in await fetch(connection, LOAD, list(stale), list(stale.values())):
                self._kept[name] = Stored(name, version, Template.model_validate_json(document))
        return {**DEFAULTS, **self._kept}

    def _version(self, name: str) -> int | None:
        found = self._kept.get(name)
        return None if found is None else found.version
