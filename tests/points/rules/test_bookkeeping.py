"""What entries post to the accounts of the journal."""

from typing import get_args

import pytest

from services.points.records import MOVES, EntryKind
from services.points.rules.bookkeeping import AGAINST, NAMES, SIDES, BookAccount, Posting, postings
from services.points.settings import ACCOUNT, PointsSettings

NOTHING = dict.fromkeys(SIDES, 0)


@pytest.mark.parametrize(
    ("kind", "rises", "falls", "posted"),
    [
        ("award", {"outstanding": 100}, {}, [("expense", "outstanding", 100)]),
        ("award", {"outstanding": 70, "owed": 30}, {}, [("expense", "outstanding", 70), ("expense", "owed", 30)]),
        ("activation", {"outstanding": 40}, {"pending": 40}, [("pending", "outstanding", 40)]),
        ("activation", {"outstanding": 10, "owed": 30}, {"pending": 40}, [("pending", "outstanding", 10), ("pending", "owed", 30)]),
        ("hold", {"held": 20}, {"outstanding": 20}, [("outstanding", "held", 20)]),
        ("release", {"outstanding": 20}, {"held": 20}, [("held", "outstanding", 20)]),
        ("redemption", {}, {"held": 20, "outstanding": 5}, [("outstanding", "redemptions", 5), ("held", "redemptions", 20)]),
        ("restoration", {"outstanding": 5}, {}, [("redemptions", "outstanding", 5)]),
        ("expiry", {}, {"outstanding": 7}, [("outstanding", "breakage", 7)]),
        ("clawback", {}, {"pending": 3, "owed": 9}, [("pending", "expense", 3), ("owed", "expense", 9)]),
        ("grant", {"outstanding": 50}, {}, [("expense", "outstanding", 50)]),
        ("revocation", {}, {"outstanding": 20, "owed": 30}, [("outstanding", "expense", 20), ("owed", "expense", 30)]),
        ("write_off", {"owed": 9}, {}, [("write_offs", "owed", 9)]),
        ("adjustment", {"outstanding": 6}, {"outstanding": 2}, [("adjustments", "outstanding", 6), ("outstanding", "adjustments", 2)]),
        ("transfer_out", {}, {"outstanding": 8, "pending": 1}, [("outstanding", "transfers", 8), ("pending", "transfers", 1)]),
        ("transfer_in", {"pending": 1}, {}, [("transfers", "pending", 1)]),
    ],
)  # fmt: skip
def test_entries_post_their_points(
    kind: str, rises: dict[BookAccount, int], falls: dict[BookAccount, int], posted: list[Posting]
) -> None:
    assert list(postings(kind, NOTHING | rises, NOTHING | falls)) == posted


def test_every_kind_of_entry_stands_against_an_account() -> None:
    assert AGAINST.keys() == set(get_args(EntryKind))
    assert {kind for kind, account in AGAINST.items() if account in SIDES} == MOVES


def test_every_account_has_a_name_and_a_setting() -> None:
    settings = {name.removeprefix(ACCOUNT) for name in PointsSettings.model_fields if name.startswith(ACCOUNT)}
    assert NAMES.keys() == set(get_args(BookAccount)) == settings
