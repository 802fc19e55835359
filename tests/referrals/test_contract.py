"""The referrals service's API against its own document."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis

from services.referrals.pairs.schemas import OFFER
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


@pytest.fixture(scope="module")
def running(module_referrals_url: str) -> Iterator[Running]:
    settings = {
        "referrals_database_url": module_referrals_url,
        "referrals_contact_key": "a secret of these tests,32 bytes".replace(" ", "-"),
        # whoever fuzzes guesses
        "referrals_guesses_per_minute": "1000000",
        "bootstrap_key": KEY,
    }
    with loyalty("services", "referrals", **settings) as process:
        wait_until_ready(process)
        yield process


schema = schema_of("referrals")


@schema.parametrize()
@FUZZING
def test_every_operation_keeps_to_its_document(case: schemathesis.Case[Any], running: Running) -> None:
    keeps_to_its_document(case, running)


def test_all_checks_run() -> None:
    all_checks_run()


def test_every_operation_needs_a_scope(running: Running) -> None:
    every_operation_needs_a_scope(running)


def test_every_request_example_works(running: Running) -> None:
    """What exists is named in the paths, so that each example does what its operation is there for."""
    made = plain.post(f"{running.url}/v1/codes", json={"customer_id": "c-42"}, headers=AUTHORIZED).json()
    claim = {"code": made["code"], "customer_id": "c-44"}
    claimed = plain.post(f"{running.url}/v1/claims", json=claim, headers=AUTHORIZED).json()
    offered = {"offer_id": "winter", **OFFER, "per_customer": None}
    assert plain.post(f"{running.url}/v1/offers", json=offered, headers=AUTHORIZED).is_success
    invitation = {"offer_id": "winter", "customer_id": "c-42"}
    keyed = {**AUTHORIZED, "Idempotency-Key": "invitation"}
    pair = plain.post(f"{running.url}/v1/pairs", json=invitation, headers=keyed).json()
    names = {"code": made["code"], "referral_id": claimed["referral_id"]}
    names |= {"offer_id": "winter", "pair_id": pair["pair_id"], "partner_id": "wine-blog", "month": "2026-10"}
    statuses = play_examples(running, names)
    # the code of an example is one that nobody was given, and to claim it is answered; one that was retired is not shared,
    # and a partner who has brought nobody yet is not paid
    refused = {name: status for name, status in statuses.items() if status not in {200, 201}}
    # and the code of a referrer is not that of a pair
    unknown = {name for name in refused if "/invitations/" in name}
    assert {status for name, status in refused.items() if name not in unknown} <= {httpx.codes.CONFLICT}, refused
    assert len(statuses) >= 6
