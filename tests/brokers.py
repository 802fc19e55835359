"""A real Kafka broker for tests: installed once, started on a free port, ended with the last process that uses it."""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from tests import folders

ROOT = Path(__file__).parent.parent
POM = ROOT / "deploy/kafka/pom.xml"
PROPERTIES = ROOT / "deploy/kafka/server.properties"
INSTALLED = ROOT / ".tools/kafka"

CLUSTER = "bG95YWx0eS1kZXZlbG9wbQ"
"""A cluster's name is 16 bytes in base64."""

JAVA = ("java", "-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
START_SECONDS = 60.0

GUARD = """(cat < "$0/users"; kill -9 "$(cat "$0/pid")"; rm -rf "$0") > /dev/null 2>&1 &"""
"""Reads a pipe that every user holds open; when the last has closed it or died, nobody needs the broker."""

FOUNDED: list["Broker"] = []
"""The brokers that this process started and others may use longer."""


class BrokerError(Exception):
    """The broker can't be installed or started; the message says what was seen."""


def missing_tools() -> list[str]:
    """Return what a real broker needs and this machine lacks."""
    wanted = ["java"] if (INSTALLED / "complete").exists() else ["java", "mvn"]
    return [tool for tool in wanted if shutil.which(tool) is None]


def install() -> Path:
    """Return the folder of Kafka's jars, fetched by Maven the first time. Raises `BrokerError`."""
    libraries = INSTALLED / "libs"
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with _locked(INSTALLED / "lock"):
        if not (INSTALLED / "complete").exists():
            command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
            run = subprocess.run(
                [*command, f"-DoutputDirectory={libraries}", "-DincludeScope=runtime"],
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode != 0:
                raise BrokerError(f"Maven could not fetch Kafka:\n{run.stdout[-2000:]}")
            (INSTALLED / "complete").touch()
    return libraries


class Broker:
    """One broker with its own folder and port; `kill` it and `start` it again as often as a test likes."""

    def __init__(self, folder: Path, *, cluster: str = CLUSTER, template: str | None = None) -> None:
        self.folder = folder
        self._cluster = cluster
        self._template = template or PROPERTIES.read_text()
        self.port, self._controller_port = _free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        self.use = _guard(folder)

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start on the same port and data as before, and return when it answers. Raises `BrokerError`."""
        libraries = install()
        properties = self.folder / "server.properties"
        if not properties.exists():
            self._format(libraries, properties)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*JAVA, "-cp", f"{libraries}/*", "kafka.Kafka", str(properties)],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the tests; the broker ends after them
            )
        (self.folder / "pid").write_text(str(self._process.pid))
        self._await_answer()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(timeout=START_SECONDS)
            (self.folder / "pid").unlink()

    def _format(self, libraries: Path, properties: Path) -> None:
        text = self._template
        names = {"port": self.port, "controller_port": self._controller_port, "folder": self.folder}
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", str(value))
        properties.write_text(text)
        format_store = ["kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(properties)]
        run = subprocess.run(
            [*JAVA, "-cp", f"{libraries}/*", *format_store],
            capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip
        if run.returncode != 0:
            raise BrokerError(f"Kafka's store could not be formatted:\n{run.stdout[-1000:]}{run.stderr[-1000:]}")

    def _await_answer(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process is not None and self._process.poll() is not None:
                break
            if answers(self.port):
                return
            time.sleep(0.05)
        raise BrokerError(f"Kafka did not start:\n{(self.folder / 'log').read_text()[-3000:]}")


def answers(port: int) -> bool:
    """Ask the broker who is in its cluster; it is ready when it names itself."""
    # request: length, api 3 (metadata), version 0, correlation 1, no client id, no topics
    body = struct.pack(">hhih", 3, 0, 1, -1) + struct.pack(">i", 0)
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = connection.recv(4096)
        return len(answer) >= 12 and int(struct.unpack(">i", answer[8:12])[0]) > 0
    return False


@contextmanager
def running(**settings: str) -> Iterator[Broker]:
    """Give a broker of one's own; `settings` are a `Broker`'s."""
    folder = Path(tempfile.mkdtemp(prefix="loyalty-kafka-", dir=folders.parent()))
    broker = Broker(folder, **settings)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
        os.close(broker.use)


@contextmanager
def shared(folder: Path) -> Iterator[str]:
    """Give the bootstrap servers of the broker that all processes with this `folder` use together."""
    with _locked(folder / "kafka.lock"):
        joined = _join(folder / "kafka.state")
        if joined is None:
            joined = _found(folder / "kafka.state")
    servers, use = joined
    try:
        yield servers
    finally:
        os.close(use)


def _found(state: Path) -> tuple[str, int]:
    broker = Broker(Path(tempfile.mkdtemp(prefix="loyalty-kafka-", dir=folders.parent())))
    broker.start()
    FOUNDED.append(broker)
    state.write_text(f"{broker.bootstrap_servers} {broker.folder}")
    return broker.bootstrap_servers, broker.use


def _join(state: Path) -> tuple[str, int] | None:
    if not state.exists():
        return None
    servers, folder = state.read_text().split(maxsplit=1)
    try:
        return servers, os.open(Path(folder) / "users", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # nobody reads it: the guard has done its work
        return None


def _guard(folder: Path) -> int:
    """Have the broker killed and its folder removed when nobody holds the pipe open; return our end of it."""
    os.mkfifo(folder / "users")
    subprocess.run(["/bin/sh", "-c", GUARD, str(folder)], check=True, start_new_session=True)
    return os.open(folder / "users", os.O_WRONLY)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


# Fixtures, which tests/conftest.py imports


@pytest.fixture(scope="session", name="kafka")
def kafka_fixture(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """Give bootstrap servers: those of the environment, else a broker that all workers of this run share."""
    given = os.environ.get("LOYALTY_KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield given
        return
    lacking = missing_tools()
    if lacking:
        with _mock(lacking) as servers:
            yield servers
        return
    base = tmp_path_factory.getbasetemp()
    with shared(base if worker_id == "master" else base.parent) as servers:
        yield servers


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Give a broker of one's own, to kill and start again."""
    need_a_real_one()
    with running() as own:
        yield own


def need_a_real_one() -> None:
    """Skip the test where there is no real broker; in continuous integration that is an error."""
    lacking = missing_tools()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"a Kafka broker needs {' and '.join(lacking)}")
    if lacking:
        pytest.skip(f"a broker to kill needs {' and '.join(lacking)}")


@contextmanager
def _mock(lacking: list[str]) -> Iterator[str]:
    """Give librdkafka's own imitation of a cluster, which makes topics by itself and knows no admin calls."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"a Kafka broker needs {' and '.join(lacking)}")
    from confluent_kafka import Producer  # noqa: PLC0415 - not wanted where there is a real broker

    warnings.warn(UserWarning(f"no {' and no '.join(lacking)}: tests use a mock of Kafka"), stacklevel=1)
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    addresses = [f"{each.host}:{each.port}" for each in cluster.list_topics(timeout=10).brokers.values()]
    yield ",".join(addresses)
    del cluster
