"""Who may ask for what: keys judged in memory, refused as problems, and never told to anybody."""

import asyncio
import datetime as dt
import json
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import api_keys, auth
from shared.api_keys import ALL, SCOPES, KeysError
from shared.audit import deeds
from shared.auth import Guarded, Keys, caller, needs
from shared.database import create_engine, fetch
from shared.errors import MEDIA_TYPE
from shared.http import Api, health_routes
from shared.settings import Settings, SettingsError, read
from tests import plain
from tests.processes import COMMAND, environment, loyalty, wait_until_ready

NOW = dt.datetime.now(dt.UTC)
FIRST = "lk_bootstrap_" + "0123456789abcdef" * 4


def guarded(engine: AsyncEngine, *, open_here: bool = False) -> Api:
    app = Api(service="tiny", title="Tiny", version="1")
    router = APIRouter(prefix="/v1", route_class=Guarded)

    @router.get("/accounts", openapi_extra=needs("accounts:read"))
    async def accounts(request: Request) -> str:
        return caller(request).name

    @router.post("/accounts", openapi_extra=needs("accounts:write"))
    async def enrol(account: dict[str, str]) -> dict[str, str]:
        return account

    app.state.keys = Keys(engine, open_here=open_here)
    app.include_router(router)
    app.include_router(health_routes({}))
    return app


def asking(app: Api) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(guarded(engine)) as each:
        yield each


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes tenths here."""
    monkeypatch.setattr(auth, "REFRESH_SECONDS", 0.05)
    monkeypatch.setattr(auth, "STALE_SECONDS", 0.1)
    monkeypatch.setattr(auth, "UNKNOWN_SECONDS", 0.02)


async def make(engine: AsyncEngine, name: str = "till-1", *scopes: str) -> str:
    async with engine.begin() as connection:
        key = await api_keys.create(connection, name, scopes or [ALL], now=NOW, actor="test")
    # a service that has looked a moment ago does not look again
    await asyncio.sleep(auth.UNKNOWN_SECONDS)
    return key


async def until_refused(client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask until the answer is no more a good one."""
    for _ in range(500):
        answer = await client.get("/v1/accounts", headers=headers)
        if answer.status_code != httpx.codes.OK:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("it is still answered after 5 seconds")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    document: dict[str, Any] = answer.json()
    assert document["code"] == code
    assert answer.headers["www-authenticate"].startswith('Bearer realm="loyalty"')
    return document


# Judging


async def test_a_key_names_its_caller(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    key = await make(engine, "till-1", "accounts:read")
    assert (await client.get("/v1/accounts", headers=bearer(key))).json() == "till-1"
    assert (await client.get("/v1/accounts", headers={"authorization": f"bEaReR  {key}"})).json() == "till-1"


async def test_a_missing_scope_is_named(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    key = await make(engine, "till-1", "accounts:read", "purchases:write")
    problem = refusal(await client.post("/v1/accounts", json={}, headers=bearer(key)), 403, "scope-missing")
    assert problem["scope"] == "accounts:write"
    everything = await make(engine, "owner", ALL)
    assert (await client.post("/v1/accounts", json={}, headers=bearer(everything))).status_code == 200


async def test_without_a_key_nothing_is_answered_and_nothing_is_read(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/v1/accounts"), 401, "api-key-missing")
    refusal(await client.post("/v1/accounts", content=b"{ no json"), 401, "api-key-missing")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer lk",
        "Bearer lk__",
        "Bearer lk_unknown_" + "0" * 64,
        "Bearer " + "x" * 5000,
        "Bearer lk_\xe4_\xff",
        "Basic bGs6c2VjcmV0",
        "Token lk_a_b",
        "lk_a_b",
        "",
        "Bearer lk_a_b, Bearer lk_c_d",
    ],
)
async def test_a_header_that_holds_no_key_of_ours_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine, header: str
) -> None:
    await make(engine)
    answer = await client.get("/v1/accounts", headers=[(b"Authorization", header.encode("latin-1"))])
    refusal(answer, 401, "api-key-invalid")


async def test_two_keys_at_once_are_none(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    header = (b"Authorization", f"Bearer {await make(engine)}".encode())
    refusal(await client.get("/v1/accounts", headers=[header, header]), 401, "api-key-invalid")


@pytest.mark.parametrize("position", [3, 16, 20, 79])
async def test_a_key_that_is_wrong_in_one_place_is_refused(
    client: httpx.AsyncClient, engine: AsyncEngine, position: int
) -> None:
    key = await make(engine)
    other = "0" if key[position] != "0" else "1"
    wrong = key[:position] + other + key[position + 1 :]
    refusal(await client.get("/v1/accounts", headers=bearer(wrong)), 401, "api-key-invalid")


async def test_a_new_key_is_known_at_once(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await make(engine, "till-1")
    await client.get("/v1/accounts")
    key = await make(engine, "till-2")
    assert (await client.get("/v1/accounts", headers=bearer(key))).json() == "till-2"


async def test_a_revoked_key_is_refused_within_seconds(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    key = await make(engine)
    assert (await client.get("/v1/accounts", headers=bearer(key))).status_code == 200
    async with engine.begin() as connection:
        await api_keys.revoke(connection, "till-1", now=NOW, actor="test")
    refusal(await until_refused(client, bearer(key)), 401, "api-key-invalid")


async def test_a_rotated_key_is_taken_for_its_grace(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    old = await make(engine, "till-1", "accounts:read")
    async with engine.begin() as connection:
        grace = dt.timedelta(seconds=1)
        new = await api_keys.rotate(connection, "till-1", grace=grace, now=dt.datetime.now(dt.UTC), actor="test")
    for key in (old, new):
        assert (await client.get("/v1/accounts", headers=bearer(key))).json() == "till-1"
    refusal(await until_refused(client, bearer(old)), 401, "api-key-invalid")
    assert (await client.get("/v1/accounts", headers=bearer(new))).json() == "till-1"
    refusal(await client.post("/v1/accounts", json={}, headers=bearer(new)), 403, "scope-missing")


async def queries_for(requests: int, client: httpx.AsyncClient, **headers: str) -> int:
    asked = 0
    original = Keys._load

    async def counting(self: Keys) -> None:
        nonlocal asked
        asked += 1
        await original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "REFRESH_SECONDS", 60)
        patch.setattr(auth, "STALE_SECONDS", 60)
        patch.setattr(auth, "UNKNOWN_SECONDS", 60)
        patch.setattr(Keys, "_load", counting)
        for _ in range(requests):
            await client.get("/v1/accounts", headers=headers)
    return asked


async def test_requests_cost_no_query_of_their_own(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    key = await make(engine)
    await client.get("/v1/accounts", headers=bearer(key))
    assert await queries_for(50, client, Authorization=f"Bearer {key}") == 0
    assert await queries_for(50, client, Authorization="Bearer lk_guessed_" + "0" * 64) == 0


async def test_where_the_database_is_away_nobody_can_tell() -> None:
    nowhere = create_engine("postgresql://nobody@127.0.0.1:1/nothing", name="tests")
    async with asking(guarded(nowhere)) as client:
        answer = await client.get("/v1/accounts", headers=bearer(FIRST))
    assert (answer.status_code, answer.json()["code"]) == (503, "database-away")
    await nowhere.dispose()


# The open API of a new installation


async def test_an_installation_without_keys_is_open_to_its_own_machine(engine: AsyncEngine) -> None:
    async with asking(guarded(engine, open_here=True)) as client:
        assert (await client.get("/v1/accounts")).json() == "open API"
        for header in ("X-Forwarded-For", "Forwarded"):
            answer = await client.get("/v1/accounts", headers={header: "203.0.113.7"})
            refusal(answer, 401, "api-key-missing")
        refusal(await client.get("/v1/accounts", headers=bearer(FIRST)), 401, "api-key-invalid")


async def test_the_first_key_closes_it_for_good(engine: AsyncEngine) -> None:
    async with asking(guarded(engine, open_here=True)) as client:
        assert (await client.get("/v1/accounts")).status_code == 200
        await make(engine)
        refusal(await until_refused(client), 401, "api-key-missing")
        async with engine.begin() as connection:
            await api_keys.revoke(connection, "till-1", now=NOW, actor="test")
        await asyncio.sleep(auth.STALE_SECONDS)
        refusal(await client.get("/v1/accounts"), 401, "api-key-missing")


async def test_elsewhere_it_is_never_open(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/v1/accounts"), 401, "api-key-missing")


async def test_health_and_metrics_need_no_key(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/openapi.json"):
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("host", "only_us"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - that is the point
        ("::", False),
        ("192.168.1.7", False),
        ("shop.example", False),
        ("", False),
    ],
)
def test_a_loopback_address_is_one_that_only_this_machine_reaches(host: str, *, only_us: bool) -> None:
    assert auth.is_loopback(host) is only_us


async def test_the_document_says_how_a_key_is_sent_and_which_scope_it_needs(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    operation = document["paths"]["/v1/accounts"]["post"]
    assert operation["security"] == [{"apiKey": ["accounts:write"]}]
    assert {"401", "403"} <= operation["responses"].keys()
    assert "security" not in document["paths"]["/health/live"]["get"]


def test_a_route_without_a_scope_can_not_be_made() -> None:
    router = APIRouter(route_class=Guarded)
    with pytest.raises(TypeError):
        router.get("/accounts")(lambda: None)
    with pytest.raises(ValueError, match="no scope"):
        needs("accounts:admire")


# Looking after keys


async def test_a_key_is_kept_without_its_secret(engine: AsyncEngine) -> None:
    key = await make(engine, "till-1", "accounts:read")
    async with engine.connect() as connection:
        (row,) = await fetch(connection, "SELECT api_key::text AS stored FROM api_key")
        (shown,) = await api_keys.listed(connection, now=NOW)
    secret = key.rsplit("_", 1)[1]
    assert secret not in row["stored"]
    assert secret not in str(shown)
    assert (shown["name"], shown["scopes"], shown["status"]) == ("till-1", ["accounts:read"], "live")
    assert len(secret) * 4 == 256


@pytest.mark.parametrize(
    ("name", "scopes", "why"),
    [
        ("till-1", ["accounts:read"], "rotate it"),
        ("Till", ["accounts:read"], "lower-case"),
        ("open API", ["accounts:read"], "lower-case"),
        ("", ["accounts:read"], "lower-case"),
        ("till-2", ["accounts:admire"], "no such scope: accounts:admire"),
        ("till-2", [], "needs a scope"),
    ],
)
async def test_a_key_that_can_not_be_is_not_made(engine: AsyncEngine, name: str, scopes: list[str], why: str) -> None:
    await make(engine, "till-1")
    async with engine.begin() as connection:
        with pytest.raises(KeysError, match=why):
            await api_keys.create(connection, name, scopes, now=NOW, actor="test")


async def test_what_is_not_there_is_neither_rotated_nor_revoked(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        with pytest.raises(KeysError, match="no key till-9"):
            await api_keys.rotate(connection, "till-9", grace=dt.timedelta(), now=NOW, actor="test")
        with pytest.raises(KeysError, match="no key till-9"):
            await api_keys.revoke(connection, "till-9", now=NOW, actor="test")


async def test_two_who_make_one_name_at_once_make_one_key(engine: AsyncEngine) -> None:
    made = await asyncio.gather(*(make(engine, "till-1") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, str) for each in made) == 1


async def test_who_made_a_key_stands_in_the_audit_trail(engine: AsyncEngine) -> None:
    await make(engine, "till-1")
    async with engine.begin() as connection:
        await api_keys.rotate(connection, "till-1", grace=dt.timedelta(), now=NOW, actor="kim")
        await api_keys.revoke(connection, "till-1", now=NOW, actor="kim")
    async with engine.connect() as connection:
        done = [(each["actor"], each["action"]) for each in await deeds(connection, subject="till-1")]
    assert done == [("kim", "key.revoke"), ("kim", "key.rotate"), ("test", "key.create")]


async def test_the_first_key_is_kept_once_and_not_after_others(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        assert not await api_keys.keep_first(connection, None, now=NOW)
        assert await api_keys.keep_first(connection, FIRST, now=NOW)
        assert await api_keys.keep_first(connection, FIRST.replace("0", "1"), now=NOW)
        await api_keys.revoke(connection, "bootstrap", now=NOW, actor="test")
        assert await api_keys.keep_first(connection, FIRST, now=NOW)
        (row,) = await api_keys.listed(connection, now=NOW)
    assert (row["name"], row["scopes"], row["status"]) == ("bootstrap", [ALL], "revoked")


def test_scopes_are_a_noun_and_what_is_done_to_it() -> None:
    assert all(
        scope == ALL or scope.split(":")[1] in {"read", "write", "approve", "review", "issue", "pay", "erase"}
        for scope in SCOPES
    )


# The command line and the process


def command(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    settings = environment(points_database_url=url)
    return subprocess.run([COMMAND, *arguments], env=settings, capture_output=True, text=True, timeout=60, check=False)


async def test_keys_are_looked_after_at_the_command_line(database_url: str, engine: AsyncEngine) -> None:
    made = await asyncio.to_thread(
        command, database_url, "keys", "create", "till-1", "--scope", "accounts:read", "--scope", "purchases:write"
    )
    key = made.stdout.strip()
    assert api_keys.TOKEN.fullmatch(key)
    assert key not in made.stderr
    async with asking(guarded(engine)) as client:
        assert (await client.get("/v1/accounts", headers=bearer(key))).json() == "till-1"
    rotated = await asyncio.to_thread(command, database_url, "keys", "rotate", "till-1", "--grace-hours", "1")
    assert api_keys.TOKEN.fullmatch(rotated.stdout.strip())
    revoked = await asyncio.to_thread(command, database_url, "keys", "revoke", "till-1")
    assert revoked.stdout == "till-1: 2 keys revoked\n"
    again, listed, trail = await asyncio.gather(
        asyncio.to_thread(command, database_url, "keys", "revoke", "till-1"),
        asyncio.to_thread(command, database_url, "keys", "list", "--json"),
        asyncio.to_thread(command, database_url, "audit", "--subject", "till-1", "--json"),
    )
    assert (again.returncode, again.stderr.splitlines()[-1]) == (1, "there is no key till-1")
    assert [row["status"] for row in json.loads(listed.stdout)] == ["revoked", "revoked"]
    assert [row["action"] for row in json.loads(trail.stdout)] == ["key.revoke", "key.rotate", "key.create"]


async def test_on_an_address_that_others_reach_it_does_not_start_without_a_key(database_url: str) -> None:
    settings = environment(points_database_url=database_url, host="0.0.0.0", port="0")  # noqa: S104
    process = await asyncio.to_thread(
        subprocess.run, [COMMAND, "services", "points"], env=settings, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 1
    assert "LOYALTY_HOST" in process.stderr
    assert "LOYALTY_BOOTSTRAP_KEY" in process.stderr


async def test_the_first_key_comes_from_the_environment(database_url: str) -> None:
    host = "0.0.0.0"  # noqa: S104 - that is the point

    def ask() -> tuple[int, int]:
        with loyalty("services", "points", points_database_url=database_url, host=host, bootstrap_key=FIRST) as running:
            wait_until_ready(running)
            url = f"{running.url}/v1/programme"
            return plain.get(url).status_code, plain.get(url, headers=bearer(FIRST)).status_code

    assert await asyncio.to_thread(ask) == (401, 200)


@pytest.mark.parametrize("wrong", ["secret", "lk_bootstrap_short", "lk_bootstrap_" + "ä" * 40])
def test_a_first_key_that_can_be_guessed_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("LOYALTY_BOOTSTRAP_KEY", wrong)
    with pytest.raises(SettingsError, match="LOYALTY_BOOTSTRAP_KEY: should be lk_") as refused:
        read(Settings)
    assert wrong not in str(refused.value)


PURCHASE = {
    "shop_id": "shop",
    "invoice_number": "R-PRIVATE",
    "customer_id": "c-private",
    "currency": "EUR",
    "total": "12345.67",
}


async def test_logs_hold_neither_keys_nor_customers(database_url: str, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        # a bug of ours, as the database would tell of it
        await fetch(
            connection,
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.points = 777 THEN"
            " RAISE EXCEPTION 'no idea' USING DETAIL = NEW.customer_id; END IF; RETURN NEW; END $$",
        )
        await fetch(connection, "CREATE TRIGGER broken BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION broken()")

    def ask() -> tuple[list[int], str]:
        with loyalty(
            "services", "points", points_database_url=database_url, bootstrap_key=FIRST, log_level="debug"
        ) as running:
            wait_until_ready(running)
            wrong = FIRST.replace("0123", "3210")
            bodies = [PURCHASE, PURCHASE | {"total": 1}, PURCHASE | {"invoice_number": "R-PRIVATE-2", "total": "777"}]
            answers = [plain.post(f"{running.url}/v1/purchases", json=body, headers=bearer(FIRST)) for body in bodies]
            answers.append(plain.post(f"{running.url}/v1/purchases", json=PURCHASE, headers=bearer(wrong)))
            answers.append(plain.get(f"{running.url}/v1/accounts/c-private/entries", headers=bearer(FIRST)))
            return [answer.status_code for answer in answers], running.said()

    statuses, said = await asyncio.to_thread(ask)
    assert statuses == [201, 422, 500, 401, 200]
    assert "no idea" in said
    for secret in ("0123456789abcdef", "3210456789abcdef", "c-private", "R-PRIVATE", "12345.67"):
        assert secret not in said, said
