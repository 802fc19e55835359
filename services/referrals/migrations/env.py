"""Alembic's entry to the referrals database."""

from services.referrals.tables import metadata
from shared.migrations import run

run(metadata)
