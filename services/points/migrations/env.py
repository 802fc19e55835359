"""Alembic's entry to the points database."""

from services.points.tables import metadata
from shared.migrations import run

run(metadata)
