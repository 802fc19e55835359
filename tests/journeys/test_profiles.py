"""A profile through all services in one process: put in at one, known at the others, and what is bought comes back to it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import loyalty, wait_until_ready
from tests.waiting import eventually

pytestmark = pytest.mark.slow

PROFILE = {"given_name": "Anna", "language": "de", "birthday": "1984-02-29", "email": "anna@example.com"}
PURCHASE = {
    "shop_id": "s",
    "invoice_number": "R-1",
    "currency": "EUR",
    "total": "50.00",
    "lines": [{"sku": "A-1", "category": "wine", "amount": "50.00"}],
}
REFUND = {"refund_id": "G-1", "currency": "EUR", "amount": "20.00"}


def test_who_is_put_in_here_is_enrolled_there_and_what_they_buy_is_known_here(tmp_path: Path) -> None:
    with loyalty("serve", data_dir=str(tmp_path)) as running:
        wait_until_ready(running, "/points/health/ready")
        profile = f"{running.url}/notifications/v1/customers/c-1"
        assert httpx.put(profile, json=PROFILE).status_code == 201

        def shown() -> dict[str, Any]:
            answer: dict[str, Any] = httpx.get(profile).json()
            return answer

        account = f"{running.url}/points/v1/accounts/c-1"
        eventually(lambda: httpx.get(account).is_success)
        eventually(lambda: shown()["card_numbers"])
        # tills know the card alone
        bought = httpx.post(
            f"{running.url}/points/v1/purchases", json=PURCHASE | {"card_number": shown()["card_numbers"][0]}
        )
        assert bought.json()["customer_id"] == "c-1", bought.text
        back = httpx.post(f"{running.url}/points/v1/purchases/s/R-1/refunds", json=REFUND)
        assert back.is_success, back.text
        eventually(lambda: shown()["turnover"]["amount"] == "30.00")
        eventually(lambda: shown()["balance"]["available"] == httpx.get(account).json()["balance"]["available"])
        found = shown()
        assert (found["purchases"], found["bought"][0]["category"]) == (1, "wine")
        assert (found["birthday"], found["email"]) == ("1984-02-29", "anna@example.com")
        drafted = {"filter": {"all": [{"field": "bought", "in": ["wine"]}, {"field": "turnover", "below": "31"}]}}
        preview = httpx.post(f"{running.url}/notifications/v1/segments/preview", json=drafted).json()
        assert (preview["count"], preview["customers"][0]["customer_id"]) == (1, "c-1")
