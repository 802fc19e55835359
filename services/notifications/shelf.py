"""The templates that hold: what a shop has saved under a name, and the default of a name that nobody saved."""

import datetime as dt
from collections.abc import Iterator, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifications.programme import Programme, needed
from services.notifications.templates.defaults import TEMPLATES
from services.notifications.templates.document import Stored, Template
from shared.database import fetch
from shared.documents import Fault

LATEST = "SELECT name, max(version) AS version FROM template GROUP BY name"
LOAD = """
SELECT t.name, t.version, t.document::text AS document
  FROM unnest($1::text[], $2::int[]) AS k(name, version) JOIN template t ON t.name = k.name AND t.version = k.version"""

DEFAULTS: Mapping[str, Stored] = {name: Stored(name, 0, template) for name, template in TEMPLATES.items()}


LOCK = "LOCK TABLE template IN SHARE ROW EXCLUSIVE MODE"
INSERT = "INSERT INTO template (name, version, document, saved_at, saved_by) VALUES ($1, $2, $3::text::jsonb, $4, $5)"


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

    async def save(
        self, connection: AsyncConnection, name: str, template: Template, *, now: dt.datetime, actor: str
    ) -> tuple[Stored, bool]:
        """Add a version, unless the one that holds is this one. Answers what holds, and whether it is new."""
        await fetch(connection, LOCK)
        known = (await self.templates(connection)).get(name)
        if known is not None and known.template == template:
            return known, False
        stored = Stored(name, 1 if known is None else known.version + 1, template)
        await fetch(connection, INSERT, name, stored.version, template.model_dump_json(), now, actor)
        return stored, True

    def _version(self, name: str) -> int | None:
        found = self._kept.get(name)
        return None if found is None else found.version


def unfit(programme: Programme, templates: Mapping[str, Stored]) -> Iterator[Fault]:
    """Return where a programme names a template that is not there, or that is not what it needs."""
    for pointer, name, kind in needed(programme):
        stored = templates.get(name)
        if stored is None:
            yield Fault(pointer, "template-unknown", f"there is no template {name!r}")
        elif stored.template.kind != kind:
            yield Fault(pointer, "template-unfit", f"{name!r} is for {stored.template.kind}, and here is {kind}")
        elif programme.default_language not in stored.template.texts:
            detail = f"{name!r} has no text in {programme.default_language!r}, the default language"
            yield Fault(pointer, "template-unfit", detail)
