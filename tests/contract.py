"""A service's API against its own documents: every operation under fuzzing, every example played; the same for all services."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import allow_header_conformance, positive_data_acceptance

from services.documents import DOCS
from tests import plain
from tests.processes import Running

KEY = "lk_contract_" + "0123456789abcdef" * 4
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}

EXCLUDED = [positive_data_acceptance, allow_header_conformance]
"""A rule of the programme may refuse what the document allows, under a code of its own; the form may not. `Allow` also names
the methods of other paths that fit: `/v1/rewards/claims` can be the reward `claims`."""

OUT_OF_RANGE = {"greater-than", "greater-than-equal", "less-than-equal"}

FUZZING = settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def schema_of(service: str) -> BaseSchema:
    """Return the document in docs/, which is what the code generates: `make check` holds the two together."""
    schema = schemathesis.openapi.from_path(DOCS / "openapi" / f"{service}.json")
    # every request here has the key, so a case whose only fault is to have none would be taken for one that is let through
    schema.config.generation.update(with_security_parameters=False)
    return schema


def keeps_to_its_document(case: schemathesis.Case[Any], running: Running) -> None:
    """Play a generated case."""
    response = case.call_and_validate(base_url=running.url, excluded_checks=EXCLUDED, headers=AUTHORIZED)
    generated = case.meta.generation.mode if case.meta else None
    if generated == schemathesis.GenerationMode.POSITIVE and response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        # JSON schema has no words for the range of an instant, or of an amount
        errors = {error["code"] for error in response.json().get("errors", ())}
        assert response.json()["code"] != "request-invalid" or errors <= OUT_OF_RANGE, response.text


def all_checks_run() -> None:
    assert set(EXCLUDED) <= set(CHECKS.get_all())


def every_operation_needs_a_scope(running: Running) -> None:
    for path, operations in document_of(running)["paths"].items():
        for method, operation in operations.items():
            assert ("security" in operation) is path.startswith("/v1/"), path
            if "security" in operation:
                url = running.url + path.replace("{", "").replace("}", "")
                assert plain.request(method.upper(), url).status_code == httpx.codes.UNAUTHORIZED


def play_examples(running: Running, names: Mapping[str, str]) -> dict[str, int]:
    """Send every example of a request, with `names` in the paths; answers the status that each operation came to."""
    document = document_of(running)
    statuses: dict[str, int] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media_type, example in examples_of(operation, document):
                key = f"{method.upper()} {path} {len(statuses)}"
                headers = {**AUTHORIZED, "Content-Type": media_type, "Idempotency-Key": key.replace(" ", "-")}
                url = running.url + path.format_map(names)
                response = plain.request(method.upper(), url, content=json.dumps(example), headers=headers)
                assert response.status_code < httpx.codes.INTERNAL_SERVER_ERROR, response.text
                assert response.json().get("code") not in {"request-invalid", "json-malformed"}, response.text
                statuses[key] = response.status_code
    return statuses


def document_of(running: Running) -> dict[str, Any]:
    document: dict[str, Any] = plain.get(f"{running.url}/openapi.json").json()
    return document


def examples_of(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            yield media_type, content["example"]
        reference = content["schema"].get("$ref", "").rsplit("/", 1)[-1]
        for example in document["components"]["schemas"].get(reference, {}).get("examples", []):
            yield media_type, example
