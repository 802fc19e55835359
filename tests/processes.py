"""Our own command, run as a process on a free port of this machine, and ended by its pid."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests import plain

COMMAND = str(Path(sys.executable).parent / "loyalty")
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """A process of ours; `url` is where its API answers, `output` is where it writes."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it as Ctrl-C would, or a supervisor, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def said(self) -> str:
        """What it has written to stdout and stderr."""
        return self.output.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**settings: str) -> dict[str, str]:
    """Return the environment with these settings and none else of ours."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    return outside | {f"LOYALTY_{name.upper()}": value for name, value in settings.items()}


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `loyalty` to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@contextmanager
def loyalty(*arguments: str, **settings: str) -> Iterator[Running]:
    """Run `loyalty` with these settings; whatever the test does, it is gone afterwards."""
    port = settings.setdefault("port", str(free_port()))
    with running_process([COMMAND, *arguments], environment(**settings), f"http://127.0.0.1:{port}") as running:
        yield running


@contextmanager
def running_process(line: list[str], variables: dict[str, str], url: str) -> Iterator[Running]:
    """Run a command line; whatever the test does, it is gone afterwards."""
    with tempfile.NamedTemporaryFile(prefix="loyalty-said-") as output:
        process = subprocess.Popen(line, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        running = Running(process, url, Path(output.name))
        try:
            yield running
        finally:
            _end(process)
            sys.stdout.write(running.said())  # shown where the test fails


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(running: Running, path: str = "/health/ready") -> None:
    """Wait until the API answers that it is ready; a process that ended instead is an error."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            raise AssertionError(f"the process ended with exit code {running.process.returncode}")
        try:
            if plain.get(running.url + path, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{running.url} is not ready after {PATIENCE_SECONDS} s")
