"""The API against its own documents: every operation under fuzzing, every example played."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi.checks import positive_data_acceptance

from services.documents import DOCS
from services.points.documents import asyncapi
from services.points.handlers import EVENTS
from shared.contracts import points as said
from tests.processes import Running, loyalty, wait_until_ready

KEY = "lk_contract_" + "0123456789abcdef" * 4
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def running(module_database_url: str) -> Iterator[Running]:
    with loyalty("services", "points", points_database_url=module_database_url, bootstrap_key=KEY) as process:
        wait_until_ready(process)
        yield process


# the document in docs/ is what the code generates: `make check` holds the two together
schema = schemathesis.openapi.from_path(DOCS / "openapi" / "points.json")
# every request here has the key, so a case whose only fault is to have none would be taken for one that is let through
schema.config.generation.update(with_security_parameters=False)


OUT_OF_RANGE = {"greater-than-equal", "less-than-equal"}


@schema.parametrize()
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_operation_keeps_to_its_document(case: schemathesis.Case[Any], running: Running) -> None:
    # a rule of the programme may refuse what the document allows, under a code of its own; the form may not
    response = case.call_and_validate(
        base_url=running.url, excluded_checks=[positive_data_acceptance], headers=AUTHORIZED
    )
    generated = case.meta.generation.mode if case.meta else None
    if generated == schemathesis.GenerationMode.POSITIVE and response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        # JSON schema has no words for the range of an instant
        errors = {error["code"] for error in response.json().get("errors", ())}
        assert response.json()["code"] != "request-invalid" or errors <= OUT_OF_RANGE, response.text


def test_all_checks_run() -> None:
    assert positive_data_acceptance in CHECKS.get_all()


def test_every_operation_needs_a_scope(running: Running) -> None:
    document = httpx.get(f"{running.url}/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) is path.startswith("/v1/"), path
            if "security" in operation:
                url = running.url + path.replace("{", "").replace("}", "")
                assert httpx.request(method.upper(), url).status_code == httpx.codes.UNAUTHORIZED


def test_every_request_example_is_accepted(running: Running) -> None:
    document = httpx.get(f"{running.url}/openapi.json").json()
    played = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media_type, example in examples_of(operation, document):
                url = running.url + path.format(
                    shop_id="webshop-de",
                    invoice_number="R-2026-000123",
                    customer_id="c-42",
                    card_number="2990000000019",
                    reward_id="five-euros",
                    claim_id="2c1f4b52-6f0e-4bd6-9d58-6f0f5b0c7a11",
                    adjustment_id="7d1f8f0e-5d2b-4f86-9a59-0d9f7f9b8f11",
                    redemption_id="0b7a4f6e-2f3c-4a53-9d0e-6a1f0f6f1c11",
                    pool_id="9f0c6a4e-0b0e-4a0b-b3b3-2f0d7b8a1c33",
                )
                headers = {**AUTHORIZED, "Content-Type": media_type, "Idempotency-Key": f"example-{played}"}
                response = httpx.request(method.upper(), url, content=json.dumps(example), headers=headers)
                assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, response.text
                assert response.json().get("code") not in {"request-invalid", "json-malformed"}, response.text
                played += 1
    assert played >= 9


def examples_of(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            yield media_type, content["example"]
        reference = content["schema"].get("$ref", "").rsplit("/", 1)[-1]
        for example in document["components"]["schemas"].get(reference, {}).get("examples", []):
            yield media_type, example


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
    response = httpx.post(f"{running.url}/v1/events", json=heard, headers=AUTHORIZED)
    statuses = [result["status"] for result in response.json()["results"]]
    assert set(statuses) <= {"accepted", "duplicate", "waiting", "skipped"}, response.text
