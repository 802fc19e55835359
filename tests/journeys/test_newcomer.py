"""`make run` as a newcomer meets it: one command, a start page, and books that outlive whatever happens to the process."""

import datetime as dt
import html
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from confluent_kafka import Producer

from services.registry import KINDS
from tests import plain
from tests.brokers import Broker
from tests.journeys.composition import ROOT
from tests.journeys.reading import standing_on
from tests.processes import (
    COMMAND,
    PATIENCE_SECONDS,
    Running,
    command,
    environment,
    free_port,
    loyalty,
    wait_until_ready,
)
from tests.waiting import eventually

pytestmark = pytest.mark.slow

READY = "/points/health/ready"
NEWS = ("search_permission_added", "api_open")
"""What it does to directories of root's, and that it has no key yet, is worth a line each."""


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[Running]:
    with loyalty("serve", data_dir=str(data_dir), **settings) as running:
        wait_until_ready(running, READY)
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("newcomer")) as running:
        yield running


def without_news(said: str) -> list[str]:
    return [line for line in said.splitlines() if not any(news in line for news in NEWS)]


def book(running: Running, invoice: str, total: str = "10.00", customer: str = "c-1", **more: str) -> httpx.Response:
    purchase = {"shop_id": "s", "invoice_number": invoice, "customer_id": customer, "currency": "EUR", "total": total}
    return plain.post(f"{running.url}/points/v1/purchases", json=purchase | more, timeout=PATIENCE_SECONDS)


def balance(running: Running, customer: str = "c-1") -> dict[str, Any]:
    account = plain.get(f"{running.url}/points/v1/accounts/{customer}")
    found: dict[str, Any] = account.json()["balance"] if account.is_success else {"available": 0}
    return found


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postgres/cluster/postmaster.pid").read_text().split()[0]))


def has_no_postgres(data_dir: Path) -> bool:
    return not any(str(data_dir) in " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))


def test_the_lines_of_the_start_page_work_as_they_are_printed(served: Running) -> None:
    if shutil.which("curl") is None:
        assert os.environ.get("CI") != "true"
        pytest.skip("no curl")
    page = plain.get(served.url).text
    lines = [html.unescape(each) for each in re.findall(r"<code>(curl .*?)</code>", page)]
    answers = [json.loads(subprocess.check_output(["sh", "-c", line], text=True)) for line in lines]
    purchase, account, statement, code, claim = answers
    assert (purchase["points"], purchase["balance"]["available"]) == (119, 119)
    assert account["balance"]["available"] == 119
    assert [entry["points"] for entry in statement["data"]] == [119]
    assert (code["code"], claim["referrer_id"], claim["status"]) == ("SHOPWITHKIM", "c-42", "claimed")
    assert book(served, "F-1", "25.00", customer="c-43").status_code == 201
    eventually(lambda: balance(served, "c-43")["available"] == 25 + 200)
    friends = re.findall(r"<dt>(Friends|Bought|Points for it)</dt><dd>([\d,]+)", plain.get(served.url).text)
    assert friends == [("Friends", "1"), ("Bought", "1"), ("Points for it", "200")]


def test_everything_that_the_start_page_links_to_answers(served: Running) -> None:
    page = plain.get(served.url).text
    links = re.findall(r'href="(/[^"]*)"', page)
    pages = ("docs", "openapi.json", "asyncapi.json", "health/ready", "metrics")
    assert links == [f"/{name}/{each}" for name in KINDS for each in pages]
    assert [plain.get(served.url + each).status_code for each in links] == [200] * len(links)


def test_the_first_birthday_mail_comes_as_the_readme_says(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## The first birthday mail")[2]
    asking, planning = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[:2]
    with serving(tmp_path) as running:
        shell(running, tmp_path, asking)
        eventually(lambda: mails(tmp_path, "confirm"))
        (link,) = set(re.findall(f"{running.url}/notifications/confirm/[\\w.-]+", mails(tmp_path, "confirm")[0]))
        assert plain.post(link).status_code == 200
        assert '"reachable":1' in shell(running, tmp_path, asking.partition("curl")[0] + planning)
        eventually(lambda: mails(tmp_path, "BDAY-"))
        (code,) = set(re.findall(r"BDAY(?:-\w{4}){3}", mails(tmp_path, "BDAY-")[0]))
        sale = {"shop_id": "s", "invoice_number": "1"}
        assert plain.post(f"{running.url}/notifications/v1/coupons/{code}/redeem", json=sale).status_code == 201


def shell(running: Running, data_dir: Path, lines: str) -> str:
    """Type what a page says, for the system that runs here."""
    settings = {"data_dir": str(data_dir), "port": running.url.rpartition(":")[2]}
    lines = lines.replace("http://127.0.0.1:8000", running.url).replace(".venv/bin/loyalty", COMMAND)
    return subprocess.check_output(["sh", "-ec", lines], text=True, env=environment(**settings))


def mails(data_dir: Path, word: str) -> list[str]:
    """Return the mails in the outbox that have a word."""
    found = [path.read_text() for path in (data_dir / "outbox").glob("*Z-*.html")]
    return [each for each in found if word in each]


def test_it_says_where_it_is_and_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert book(running, "1").status_code == 201
        assert running.interrupt() == 0
        assert without_news(running.said()) == [f"Loyalty on {running.url} (Ctrl-C ends it)"]
    assert has_no_postgres(tmp_path)


def test_an_end_during_the_start_leaves_no_server_behind(tmp_path: Path) -> None:
    with loyalty("serve", data_dir=str(tmp_path)) as running:
        eventually((tmp_path / "postgres/start.lock").exists)
        assert running.interrupt() == 0
        assert "Traceback" not in running.said()
    assert has_no_postgres(tmp_path)


def test_the_books_outlive_a_restart_and_the_death_of_everything(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert [book(running, f"{number}").status_code for number in range(10)] == [201] * 10
        running.interrupt()
    with serving(tmp_path) as running:
        assert balance(running)["available"] == 100
        assert [book(running, f"more-{number}").status_code for number in range(10)] == [201] * 10
        postmaster(tmp_path).kill()
        running.kill()
    with serving(tmp_path) as running:
        assert balance(running)["available"] == 200
        assert book(running, "more-9").status_code == 200
        verified = command("verify", data_dir=str(tmp_path))
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_friends_purchase_with_a_code_rewards_both_though_everything_dies(tmp_path: Path) -> None:
    long_ago = (dt.datetime.now(dt.UTC) - dt.timedelta(days=20)).isoformat()
    with serving(tmp_path) as running:
        answer = plain.post(f"{running.url}/referrals/v1/codes", json={"customer_id": "anna"}, timeout=PATIENCE_SECONDS)
        sale = {"customer": "ben", "referral_code": answer.json()["code"], "occurred_at": long_ago}
        assert book(running, "R-1", "30.00", **sale).status_code == 201
        running.kill()
    with serving(tmp_path) as running:
        eventually(lambda: balance(running, "anna")["available"] == 500)
        eventually(lambda: balance(running, "ben")["available"] == 30 + 200)
        running.kill()
    with serving(tmp_path) as running:
        assert book(running, "R-1", "30.00", **sale).status_code == 200
        assert (balance(running, "anna")["available"], balance(running, "ben")["available"]) == (500, 230)
        back = {"refund_id": "1", "currency": "EUR", "amount": "30.00"}
        refund = plain.post(f"{running.url}/points/v1/purchases/s/R-1/refunds", json=back, timeout=PATIENCE_SECONDS)
        assert refund.status_code == 201
        eventually(lambda: [balance(running, name)["available"] for name in ("anna", "ben")] == [0, 0])
        verified = command("verify", data_dir=str(tmp_path))
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_postgres_that_dies_under_it_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        book(running, "1")
        postmaster(tmp_path).kill()
        eventually(lambda: book(running, "2").status_code in {200, 201})
        assert balance(running)["available"] == 20


def test_two_on_the_same_data_share_one_postgres_and_one_ledger(tmp_path: Path) -> None:
    with serving(tmp_path) as first, serving(tmp_path) as second:
        assert book(first, "1").status_code == 201
        assert book(second, "1").status_code == 200
        assert first.interrupt() == 0
        assert balance(second)["available"] == 10
        assert second.interrupt(signal.SIGTERM) == 0  # as a supervisor does
    assert has_no_postgres(tmp_path)


@pytest.mark.parametrize(
    ("settings", "code", "line"),
    [
        ({"port": "many"}, 2, "LOYALTY_PORT: "),
        ({"host": "0.0.0.0"}, 1, "LOYALTY_HOST: "),  # noqa: S104 - what is refused
        ({"data_dir": "/dev/null/here"}, 1, "LOYALTY_DATA_DIR: "),
    ],
)  # fmt: skip
def test_what_is_set_wrong_is_said_in_one_line(tmp_path: Path, settings: dict[str, str], code: int, line: str) -> None:
    ended = command("serve", **({"data_dir": str(tmp_path), "port": str(free_port())} | settings))
    assert ended.returncode == code
    said = without_news(ended.stderr)
    assert len(said) == 1, said
    assert said[0].startswith(line)
    assert ended.stdout == ""


def test_a_port_that_is_taken_is_said_in_one_line(served: Running, tmp_path: Path) -> None:
    port = served.url.rpartition(":")[2]
    ended = command("serve", data_dir=str(tmp_path), port=port)
    said = without_news(ended.stderr)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said == [f"LOYALTY_PORT: 127.0.0.1:{port} is taken; set another, or end what listens there"]
    assert has_no_postgres(tmp_path)


def test_a_database_that_is_not_there_is_said_in_one_line(database_url: str) -> None:
    ended = command("serve", points_database_url=database_url.replace("/test_", "/nowhere_"), port=str(free_port()))
    assert ended.returncode == 1
    assert re.fullmatch(r'LOYALTY_POINTS_DATABASE_URL: .*database "nowhere_\w+" does not exist\n', ended.stderr)


@pytest.mark.kafka
def test_with_a_broker_the_same_command_consumes_and_produces(tmp_path: Path, broker: Broker) -> None:
    with serving(tmp_path, kafka_bootstrap_servers=broker.bootstrap_servers) as running:
        assert plain.get(running.url + READY).json()["checks"]["broker"] == "ok"
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        eventually(lambda: "loyalty.purchases" in producer.list_topics(timeout=10).topics)
        producer.produce(
            "loyalty.purchases", key="c-1", value=json.dumps(_event("R-1", "loyalty.purchase.completed.v1"))
        )
        producer.produce("loyalty.purchases", key="c-1", value=json.dumps(_event("R-2", "loyalty.purchase.dreamt.v1")))
        assert producer.flush(30) == 0
        eventually(lambda: plain.get(f"{running.url}/points/v1/accounts/c-1").status_code == 200)
        assert balance(running)["available"] == 10
        assert book(running, "till").status_code == 201
        eventually(lambda: _counted(running, "skipped") == 1)
        assert _types(broker, "loyalty.points", 3) == ["account.opened", "points.awarded", "points.awarded"]
        assert _types(broker, "loyalty.purchases", 3).count("purchase.completed") == 2
        assert running.interrupt() == 0
        assert not any(word in "".join(without_news(running.said())) for word in ("Traceback", "error", "warning"))


def _event(invoice: str, kind: str) -> dict[str, Any]:
    purchase = {"shop_id": "s", "invoice_number": invoice, "customer_id": "c-1", "currency": "EUR", "total": "10.00"}
    return {"specversion": "1.0", "id": invoice, "source": "/s", "type": kind, "subject": "c-1", "data": purchase}


def _counted(running: Running, status: str) -> float:
    text = plain.get(f"{running.url}/points/metrics").text
    found = re.search(rf'loyalty_consumer_records_total{{consumer="points",.*status="{status}".*}} (\S+)', text)
    return float(found[1]) if found else 0


def _types(broker: Broker, topic: str, count: int) -> list[str]:
    """Return the types of the events on the topic when there are so many, read by a client that is not ours."""
    found: list[str] = []

    def all_there() -> bool:
        found[:] = [json.loads(each.value)["type"] for each in standing_on(broker.bootstrap_servers, topic)]
        return len(found) >= count

    eventually(all_there)
    return [each.removeprefix("loyalty.").removesuffix(".v1") for each in found]
