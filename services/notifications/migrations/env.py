"""Alembic's entry to the notifications database."""

from services.notifications.tables import metadata
from shared.migrations import run

run(metadata)
