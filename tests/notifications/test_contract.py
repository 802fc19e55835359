"""The notifications service's API against its own document."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis

from tests import plain
from tests.contract import (
    AUTHORIZED,
    FUZZING,
    KEY,
    every_operation_needs_a_scope,
    keeps_to_its_document,
    play_examples,
    schema_of,
)
from tests.processes import Running, loyalty, wait_until_ready


@pytest.fixture(scope="module")
def running(module_notifications_url: str) -> Iterator[Running]:
    settings = {
        "notifications_database_url": module_notifications_url,
        # whoever fuzzes guesses
        "notifications_guesses_per_minute": "1000000",
        "notifications_link_key": "a-key-of-these-tests-0123456789ab",
        "bootstrap_key": KEY,
    }
    with loyalty("services", "notifications", **settings) as process:
        wait_until_ready(process)
        yield process


schema = schema_of("notifications")


@schema.parametrize()
@FUZZING
def test_every_operation_keeps_to_its_document(case: schemathesis.Case[Any], running: Running) -> None:
    keeps_to_its_document(case, running)


def test_every_operation_needs_a_scope(running: Running) -> None:
    every_operation_needs_a_scope(running)


def test_every_request_example_works(running: Running) -> None:
    """What exists is named in the paths, so that each example does what its operation is there for."""
    terms = {"customer_id": "c-42", "terms": {"value": {"kind": "shipping"}}}
    key = AUTHORIZED | {"Idempotency-Key": "contract"}
    made = plain.post(f"{running.url}/v1/coupons", json=terms, headers=key).json()
    value = {"value": {"kind": "shipping"}}
    shared = plain.post(
        f"{running.url}/v1/coupons/shared", json=value, headers=key | {"Idempotency-Key": "shared"}
    ).json()
    names = {"channel": "chat", "version": "1", "notification_id": str(uuid.uuid4())}
    names |= {"code": made["code"], "shared_code": shared["code"], "customer_id": "c-42", "name": "regulars-away"}
    statuses = play_examples(running, names)
    # one coupon can't be everything in turn: what came too late for it is refused; of no message that was sent a report is known
    refused = {name: status for name, status in statuses.items() if status not in {200, 201} and "/reports" not in name}
    assert set(refused.values()) <= {httpx.codes.CONFLICT}, refused
    assert len(statuses) >= 5
