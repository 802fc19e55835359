"""The points service's API and events against their own documents."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from services.points.documents import asyncapi
from services.points.handlers import EVENTS
from shared.contracts import points as said
from tests import plain
from tests.contract import (
    AUTHORIZED,
    FUZZING,
    KEY,
    all_checks_run,
    every_operation_needs_a_scope,
    keeps_to_its_document,
    play_examples,
    schema_of,
)
from tests.processes import Running, loyalty, wait_until_ready

NAMES = {
    "shop_id": "webshop-de",
    "invoice_number": "R-2026-000123",
    "customer_id": "c-42",
    "card_number": "2990000000019",
    "reward_id": "five-euros",
    "claim_id": "2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
    "adjustment_id": "7d1f8f0e-5d2b-4f86-9a59-0d9f7f9b8f11",
    "redemption_id": "0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
    "pool_id": "9f0c6a4e-0b0e-4a0b-b3b3-2f0d7b8a1c33",
}


@pytest.fixture(scope="module")
def running(module_database_url: str) -> Iterator[Running]:
    with loyalty("services", "points", points_database_url=module_database_url, bootstrap_key=KEY) as process:
        wait_until_ready(process)
        yield process


schema = schema_of("points")


@schema.parametrize()
@FUZZING
def test_every_operation_keeps_to_its_document(case: schemathesis.Case[Any], running: Running) -> None:
    keeps_to_its_document(case, running)


def test_all_checks_run() -> None:
    all_checks_run()


def test_every_operation_needs_a_scope(running: Running) -> None:
    every_operation_needs_a_scope(running)


def test_every_request_example_is_accepted(running: Running) -> None:
    assert len(play_examples(running, NAMES)) >= 9


HEARD = set(EVENTS.json_schema()["discriminator"]["mapping"])
"""The types of the events that the service hears; it says others."""


def test_every_event_example_is_an_event() -> None:
    for name, message in asyncapi()["components"]["messages"].items():
        for example in message["examples"]:
            heard = name in HEARD
            assert (EVENTS if heard else said.EVENTS).validate_python(example["payload"]).type == name


def test_every_event_example_that_is_heard_is_taken(running: Running) -> None:
    heard = [
        message["examples"][0]["payload"]
        for name, message in asyncapi()["components"]["messages"].items()
        if name in HEARD
    ]
    response = plain.post(f"{running.url}/v1/events", json=heard, headers=AUTHORIZED)
    statuses = [result["status"] for result in response.json()["results"]]
    assert set(statuses) <= {"accepted", "duplicate", "waiting", "skipped"}, response.text
