"""The house stands where its import paths say it does."""

from pathlib import Path

import services
import shared

ROOT = Path(__file__).parents[2]


def test_shared_and_services_are_ours() -> None:
    assert [Path(package.__file__ or "").parent for package in (shared, services)] == [
        ROOT / "shared",
        ROOT / "services",
    ]
