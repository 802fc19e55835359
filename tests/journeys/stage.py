"""Plays docker-compose.yml without Docker: its own commands and variables, on real servers under the names it uses."""

import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from shared import embedded_postgres
from tests import brokers
from tests.brokers import Broker
from tests.journeys import composition
from tests.journeys.composition import Service
from tests.processes import PATIENCE_SECONDS, Running, free_port, running_process

NO_PROPERTIES = frozenset({"KAFKA_HEAP_OPTS"})
"""For the script that starts the broker, not for the broker."""


class Postgres:
    """What the image `postgres` makes of its command and variables: a server that nobody enters without a password."""

    def __init__(self, folder: Path, service: Service) -> None:
        self._folder = folder
        self._settings = dict(word.split("=") for word in service.command if "=" in word)
        self._password = service.environment["POSTGRES_PASSWORD"]
        self.start()
        self._psql(f"ALTER ROLE postgres PASSWORD '{self._password}'")
        (folder / "cluster/pg_hba.conf").write_text("local all all scram-sha-256\n")
        self._psql("SELECT pg_reload_conf()")

    @property
    def sockets(self) -> str:
        """What stands for its host name."""
        return str(self._server.socket_directory)

    @property
    def programs(self) -> str:
        return str(embedded_postgres._binaries())

    def start(self) -> None:
        self._server = embedded_postgres.start(self._folder, settings=self._settings)

    def stop(self) -> None:
        self._server.stop()

    def _psql(self, statement: str) -> None:
        line = [f"{self.programs}/psql", "-h", self.sockets, "-U", "postgres", "-c", statement]
        subprocess.run(line, env=os.environ | {"PGPASSWORD": self._password}, check=True, capture_output=True)


class Stage:
    """The servers and processes that stand for the file's containers; `running` has those of each service of ours."""

    postgres: Postgres
    broker: Broker

    def __init__(self, services: dict[str, Service], installed: Path, folder: Path) -> None:
        self.services = services
        self.running: dict[str, list[Running]] = defaultdict(list)
        self.volumes = folder / "volumes"
        self._folder = folder
        self._image = composition.environment() | {"PATH": f"{installed / 'bin'}:{os.environ['PATH']}"}
        self._done: set[str] = set()
        self._ends = ExitStack()

    @contextmanager
    def open(self) -> Iterator["Stage"]:
        """Give the stage; whatever stands on it is gone afterwards."""
        with self._ends:
            yield self

    def up(self) -> None:
        """Start every service, each after what it needs, and wait until all are healthy."""
        for name in self.services:
            self._require(name)
        for name in self.running:
            self.wait_until_healthy(name)

    def _require(self, name: str) -> None:
        if name in self._done:
            return
        service = self.services[name]
        for needed, condition in service.needs.items():
            self._require(needed)
            if condition == "service_healthy":
                self.wait_until_healthy(needed)
        self._begin(service)
        self._done.add(name)

    def _begin(self, service: Service) -> None:
        if service.image.startswith("apache/kafka:"):
            settings = {"cluster": service.environment["CLUSTER_ID"], "template": properties(service)}
            self.broker = self._ends.enter_context(brokers.running(**settings))
        elif service.command[0] == "postgres":
            self.postgres = Postgres(self._folder / "postgres", service)
            self._ends.callback(self.postgres.stop)
        elif service.content["restart"] == "no":
            self.run(service.name)
        else:
            self.start(service.name)

    # Processes

    def start(self, name: str) -> Running:
        """Start a service of ours, or one more of it."""
        port = str(free_port())
        variables = self._variables(self.services[name]) | {"LOYALTY_PORT": port}
        process = running_process(self._line(self.services[name]), variables, f"http://127.0.0.1:{port}")
        running = self._ends.enter_context(process)
        self.running[name].append(running)
        return running

    def stop(self, name: str) -> Running:
        """Stop the oldest process of a service as Docker does, in the time that the file gives it."""
        oldest = self.running[name].pop(0)
        oldest.process.send_signal(signal.SIGTERM)
        grace = int(self.services[name].content["stop_grace_period"].removesuffix("s"))
        assert oldest.process.wait(timeout=grace) == 0, oldest.said()
        return oldest

    def run(self, name: str, *command: str, **variables: str) -> str:
        """Run a service that ends by itself, or another command in its place, and return what it wrote."""
        service = self.services[name]
        ended = subprocess.run(
            self._line(service, *command),
            env=self._variables(service) | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def wait_until_healthy(self, name: str) -> None:
        """Ask as the file says, or else the image, until the answer is yes."""
        for port in [each.url.rpartition(":")[2] for each in self.running[name]] or [""]:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not self._is_healthy(self.services[name], port):
                assert all(each.process.poll() is None for each in self.running[name]), f"{name} ended"
                assert time.monotonic() < deadline, f"{name} is not healthy"
                time.sleep(0.1)

    def _is_healthy(self, service: Service, port: str) -> bool:
        check = service.healthcheck or composition.step("HEALTHCHECK").words
        if check[0] == "nc":
            return brokers.answers(self.broker.port)
        variables = self._variables(service) | {"LOYALTY_PORT": port}
        line = [self.here(word) for word in check]
        return subprocess.run(line, env=variables, capture_output=True, check=False).returncode == 0

    def _line(self, service: Service, *command: str) -> list[str]:
        entry = composition.step("ENTRYPOINT").words if service.is_ours else []
        return [*entry, *(self.here(word) for word in command or service.command)]

    def _variables(self, service: Service) -> dict[str, str]:
        """What a process finds in its environment; nothing of the settings of ours comes from outside."""
        said = {name: self.here(value) for name, value in service.environment.items()}
        if service.is_ours:
            return self._image | {"LOYALTY_HOST": "127.0.0.1"} | said
        if "PGHOST" in said:
            said["PGHOST"] = self.postgres.sockets
        return {"PATH": f"{self.postgres.programs}:{os.environ['PATH']}"} | said

    def here(self, text: str) -> str:
        """Return a value or an argument of the file as it is right on this machine."""
        for name, instead in self._names().items():
            text = text.replace(name, instead)
        return text

    def _names(self) -> dict[str, str]:
        sockets = self.postgres.sockets
        names = {"--host=postgres": f"--host={sockets}"}
        for service in self.services.values():
            names |= {to: str(self._mounted(path)) for path, to, *_ in service.mounts}
            if "SERVICE" in service.environment:
                database = service.environment["SERVICE"]
                names[f"@postgres:5432/{database}"] = url_part(database, sockets)
        if "kafka" in self._done:
            names["kafka:9092"] = self.broker.bootstrap_servers
        return names

    def _mounted(self, path: str) -> Path:
        """Return a file of ours, or what stands for a volume."""
        return composition.ROOT / path if path.startswith("./") else self.volumes / path


def url_part(database: str, sockets: str) -> str:
    """Return what stands behind the password in the URL of a database."""
    return f"@/{database}?host={quote(sockets)}&port={embedded_postgres.PORT}"


def properties(service: Service) -> str:
    """Return the broker's properties as the image makes them of variables, with places for names of this machine."""
    said = {name: value for name, value in service.environment.items() if name.startswith("KAFKA_")}
    lines = [
        f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}"
        for name, value in said.items()
        if name not in NO_PROPERTIES
    ]
    text = "\n".join(lines)
    for name, instead in {
        "kafka:9092": "127.0.0.1:{port}",
        "kafka:9093": "127.0.0.1:{controller_port}",
        "CLIENT://:9092": "CLIENT://127.0.0.1:{port}",
        "CONTROLLER://:9093": "CONTROLLER://127.0.0.1:{controller_port}",
        "/var/lib/kafka/data": "{folder}/data",
    }.items():
        assert name in text, f"{name} stands in no variable of the broker"
        text = text.replace(name, instead)
    return text
