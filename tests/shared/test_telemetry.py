"""Logs go to stderr, one line each, whoever speaks; stdout belongs to the commands."""

import json
import subprocess
import sys

SPEAKERS = """
import logging, sys, warnings, structlog
early = structlog.get_logger("early")
from shared.telemetry import configure_logging
configure_logging(*sys.argv[1:])
structlog.contextvars.bind_contextvars(request="r-1")
early.info("ours", points=7)
early.debug("too much")
logging.getLogger("a.library").warning("theirs %s", 8)
logging.getLogger("aiokafka.consumer").info("chatter")
logging.getLogger("httpx").info("POST https://hooks.example/a-secret")
warnings.warn("old", DeprecationWarning, stacklevel=1)
try:
    1 / 0
except ZeroDivisionError:
    early.exception("failed")
"""


def spoken(*arguments: str) -> list[str]:
    command = [sys.executable, "-W", "default", "-c", SPEAKERS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_logs_of_ours_and_of_libraries_are_json_lines() -> None:
    ours, theirs, warning, failed = (json.loads(line) for line in spoken("info", "json"))
    assert (ours["event"], ours["points"], ours["level"], ours["logger"]) == ("ours", 7, "info", "early")
    assert ours["request"] == theirs["request"] == "r-1"
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("theirs 8", "warning", "a.library")
    assert "DeprecationWarning" in warning["event"]
    assert "ZeroDivisionError" in failed["exception"]


def test_people_get_lines_they_can_read() -> None:
    lines = spoken("warning", "console")
    assert not any("ours" in line for line in lines)
    assert "theirs 8" in lines[0]
    assert "ZeroDivisionError" in lines[-1]
