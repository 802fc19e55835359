import httpx
import pytest

from services.points.app import create_app
from services.points.service import PointsService
from services.points.settings import PointsSettings

BODY = {
    "shop_id": "s",
    "invoice_number": "R/1",
    "customer_id": "c-42",
    "currency": "EUR",
    "total": "119.00",
    "shipping": "4.90",
    "occurred_at": "2026-11-23T10:15:00+01:00",
}


@pytest.fixture
async def api(engine):
    app = create_app(PointsService(engine), PointsSettings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as c:
        yield c


async def test_api(api):
    r = await api.post("/v1/purchases", json=BODY)
    print(r.text)
    assert r.status_code == 201
    assert r.json()["points"] == 114
    r = await api.post("/v1/purchases", json=BODY)
    assert r.status_code == 200
    r = await api.post("/v1/purchases", json=BODY | {"total": "1"})
    print(r.text)
    assert r.status_code == 409
    r = await api.post("/v1/purchases/preview", json=BODY | {"invoice_number": "9"})
    print(r.text)
    assert r.status_code == 200
    r = await api.get("/v1/purchases/s/R%2F1")
    print(r.text)
    assert r.status_code == 200
    r = await api.get("/v1/purchases/s/9")
    assert r.status_code == 404
    r = await api.post("/v1/purchases/s/R%2F1/refunds", json={"refund_id": "1", "currency": "EUR", "amount": "50"})
    print(r.text)
    assert r.status_code == 201
    r = await api.get("/v1/accounts/c-42")
    print(r.text)
    card = r.json()["card_number"]
    r = await api.get(f"/v1/cards/{card}")
    assert r.status_code == 200
    r = await api.get(f"/v1/cards/{card}/qr.svg")
    assert r.status_code == 200
    r = await api.get("/v1/accounts/c-42/entries?limit=1")
    print(r.text)
    r = await api.get("/v1/accounts/c-42/entries?limit=1&cursor=" + r.json()["next_cursor"])
    print(r.text)
    r = await api.get("/v1/accounts/c-42/entries", headers={"accept": "text/csv"})
    print(r.text)
    r = await api.get("/v1/accounts/c-42/lots")
    print(r.text)
    a = {"customer_id": "c-42", "points": -20, "reason": "x"}
    r = await api.post("/v1/adjustments", json=a)
    print(r.text)
    assert r.status_code == 422
    r = await api.post("/v1/adjustments", json=a, headers={"idempotency-key": "k"})
    print(r.text)
    assert r.status_code == 201
    r2 = await api.post("/v1/adjustments", json=a, headers={"idempotency-key": "k"})
    assert r.content == r2.content
    r = await api.post("/v1/adjustments", json=a | {"points": -9}, headers={"idempotency-key": "k"})
    print(r.text)
    assert r.status_code == 409
    r = await api.post("/v1/adjustments", json=a | {"points": -900}, headers={"idempotency-key": "k2"})
    print(r.text)
    assert r.status_code == 409
    r = await api.get("/v1/programme")
    print(r.text)
    r = await api.put("/v1/programme", json={"programme": {"rates": {"EUR": "2"}}})
    print(r.text)
    assert r.status_code == 201
    r = await api.post(
        "/v1/purchases", json={k: v for k, v in BODY.items() if k != "customer_id"} | {"invoice_number": "an"}
    )
    print(r.text)
    assert r.status_code == 201
    r = await api.get("/v1/purchases")
    print(r.text)
    r = await api.post("/v1/purchases/s/an/claim", json={"customer_id": "c-42"})
    print(r.text)
    assert r.status_code == 201
    r = await api.get("/health/ready")
    print(r.text)
    assert r.status_code == 200
    r = await api.get("/openapi.json")
    assert r.status_code == 200
    r = await api.post("/v1/purchases", json=BODY | {"card_number": "ZZ", "customer_id": None, "invoice_number": "p"})
    print(r.text)
    assert r.status_code == 404
    r = await api.post("/v1/accounts", json={"customer_id": "n"})
    print(r.text)
    assert r.status_code == 201
    r = await api.post("/v1/accounts", json={"customer_id": "n"})
    print(r.text)
    assert r.status_code == 200


async def test_intake(api):
    from services.points.intake import EXAMPLE

    r = await api.post("/v1/events", json=EXAMPLE, headers={"content-type": "application/cloudevents+json"})
    print(r.text)
    assert r.json()["results"][0]["status"] == "accepted"
    r = await api.post(
        "/v1/events",
        json=[EXAMPLE, EXAMPLE | {"id": "2"}, {"id": "3"}, EXAMPLE | {"type": "x.y", "id": "4"}],
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    print(r.text)
    assert [x["status"] for x in r.json()["results"]] == ["duplicate", "duplicate", "rejected", "skipped"]
    u = {
        "specversion": "1.0",
        "id": "u",
        "source": "/crm",
        "type": "loyalty.customer.updated.v1",
        "data": {"customer_id": "c-42"},
    }
    r = await api.post("/v1/events", json=u)
    print(r.text)
    assert r.json()["results"][0]["status"] == "accepted"
    r = await api.post("/v1/events", json=u)
    print(r.text)
    assert r.json()["results"][0]["status"] == "duplicate"
    r = await api.post(
        "/v1/events",
        json=EXAMPLE["data"] | {"invoice_number": "bin"},
        headers={"ce-specversion": "1.0", "ce-id": "9", "ce-source": "/s", "ce-type": "loyalty.purchase.completed.v1"},
    )
    print(r.text)
    assert r.json()["results"][0]["status"] == "accepted"
    r = await api.post("/v1/events", content="{", headers={"content-type": "application/json"})
    print(r.text)
