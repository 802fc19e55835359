"""The generated documents as they stand in `docs/`."""

from pathlib import Path

import orjson

from services.points.app import create_app
from services.points.documents import asyncapi
from services.points.service import PointsService
from services.points.settings import PointsSettings
from shared.database import create_engine

DOCS = Path(__file__).parents[1] / "docs"
NOWHERE = "postgresql://nobody@localhost/nothing"
"""To describe an API takes no database; nothing connects to this one."""


def written() -> dict[Path, bytes]:
    """Return each document's path and what the code says it should hold."""
    app = create_app(PointsService(create_engine(NOWHERE, name="docs")), PointsSettings())
    return {
        DOCS / "openapi" / "points.json": _json(app.openapi()),
        DOCS / "asyncapi.json": _json(asyncapi()),
    }


def read(path: Path) -> bytes | None:
    """Return what stands there."""
    return path.read_bytes() if path.exists() else None


def write(path: Path) -> None:
    """Bring one document up to date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written()[path])


def _json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
