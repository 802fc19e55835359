"""The generated documents as they stand in `docs/`."""

from pathlib import Path

import orjson

from services.registry import KINDS
from shared.database import create_engine

DOCS = Path(__file__).parents[1] / "docs"
NOWHERE = "postgresql://nobody@localhost/nothing"
"""To describe an API takes no database; nothing connects to this one."""


def written() -> dict[Path, bytes]:
    """Return each document's path and what the code says it should hold."""
    found = {}
    for name, kind in KINDS.items():
        settings = kind.settings()
        app = kind.create_app(kind.make(create_engine(NOWHERE, name="docs"), settings), settings)
        found[DOCS / "openapi" / f"{name}.json"] = _json(app.openapi())
        found[DOCS / "asyncapi" / f"{name}.json"] = _json(kind.asyncapi())
    return found


def read(path: Path) -> bytes | None:
    """Return what stands there."""
    return path.read_bytes() if path.exists() else None


def write(path: Path) -> None:
    """Bring one document up to date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written()[path])


def _json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
