"""What can't be said of one field of a programme alone: each fault with the place it lies in."""

from typing import Any

import pytest

from services.points.programme import Programme, faults

LEVELS = [{"name": "Basic", "threshold": 0}, {"name": "Gold", "threshold": 10}]
EARLY = {"tiers": ["Gold", "Platinum"], "valid_from": "2026-01-01T00:00:00Z"}


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in faults(Programme.model_validate(document))}


@pytest.mark.parametrize(
    ("months", "pending_days", "is_faulty"), [(1, 27, False), (1, 28, True), (12, 335, False), (12, 336, True)]
)
@pytest.mark.parametrize("model", ["after_earning", "inactivity"])
def test_rule_7_points_must_not_end_before_they_can_be_spent(
    model: str,
    months: int,
    pending_days: int,
    is_faulty: bool,  # noqa: FBT001 - a table
) -> None:
    document = {"pending_days": pending_days, "expiry": {"model": model, "months": months}}
    assert found(document) == ({("/pending_days", "expires-while-pending")} if is_faulty else set())


def test_points_that_never_end_may_wait_for_long() -> None:
    assert found({"pending_days": 3650}) == set()


def test_every_fault_is_found_at_once() -> None:
    document = {
        "pending_days": 60,
        "expiry": {"model": "after_earning", "months": 2},
        "tiers": {"counts": "spend", "levels": [{"name": "Gold", "threshold": 5}, *LEVELS]},
        "rules": [{"name": "tier Gold", "multiplier": "2", "tiers": ["Gold", "Silver"]}],
        "campaigns": [
            {"name": "tier Gold", "valid_from": "2026-01-01T00:00:00Z", "early_access": EARLY, "per_customer": {}}
        ],
    }
    assert found(document) == {
        ("/rules/0/name", "name-taken"),
        ("/rules/0/tiers/1", "tier-unknown"),
        ("/campaigns/0/name", "name-taken"),
        ("/campaigns/0/early_access/tiers/1", "tier-unknown"),
        ("/campaigns/0/early_access/valid_from", "not-early"),
        ("/campaigns/0/points", "bonus-unclear"),
        ("/campaigns/0/per_customer", "cap-empty"),
        ("/pending_days", "expires-while-pending"),
        ("/tiers/levels", "name-taken"),
        ("/tiers/levels/0/threshold", "tiers-out-of-order"),
        ("/tiers/levels/1/threshold", "tiers-out-of-order"),
        ("/tiers/counts", "spend-in-currencies"),
    }


@pytest.mark.parametrize("name", ["base", "other lines", "account blocked", "account closed", "tier Basic"])
def test_no_rule_takes_the_name_of_another_line_of_the_breakdown(name: str) -> None:
    document = {"tiers": {"levels": LEVELS}, "rules": [{"name": name, "multiplier": "2"}]}
    assert found(document) == {("/rules/0/name", "name-taken")}
