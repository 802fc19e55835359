"""docker-compose.yml and deploy/Dockerfile as Docker reads them, as far as ours go."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy/Dockerfile"
IGNORED = ROOT / ".dockerignore"

VARIABLE = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")
MOUNT = re.compile(r"--mount=\S+\s+")


# The compose file


@dataclass(frozen=True)
class Service:
    """One of the file's services; `content` is all that the file says of it."""

    name: str
    content: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        return "build" in self.content

    @property
    def image(self) -> str:
        return str(self.content["image"])

    @property
    def command(self) -> list[str]:
        return [str(word) for word in self.content.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.content.get("environment", {}).items()}

    @property
    def needs(self) -> dict[str, str]:
        """The services that go before it, and what each must have come to."""
        return {name: terms["condition"] for name, terms in self.content.get("depends_on", {}).items()}

    @property
    def mounts(self) -> list[list[str]]:
        return [mount.split(":") for mount in self.content.get("volumes", [])]

    @property
    def healthcheck(self) -> list[str] | None:
        """The command that says whether it is healthy; none: the image's."""
        test: list[str] | None = self.content.get("healthcheck", {}).get("test")
        return None if test is None else test[1:]


def written() -> dict[str, Any]:
    """Return the compose file, its variables as they stand."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def services(**variables: str) -> dict[str, Service]:
    """Return the services, with variables from here, not from the environment, else with what the file has for them."""
    filled = _filled(written()["services"], variables)
    return {name: Service(name, content) for name, content in filled.items()}


def _filled(part: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, variables) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, variables) for value in part]
    if isinstance(part, str):
        return VARIABLE.sub(lambda found: variables.get(found["name"], found["default"]), part)
    return part


# The image


@dataclass(frozen=True)
class Step:
    """A line of the Dockerfile, `COPY services services`: its word and the rest."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The list that an instruction in exec form holds, as in `ENTRYPOINT ["loyalty"]`."""
        return [str(word) for word in json.loads(self.rest[self.rest.index("[") :])]


def stages() -> dict[str, list[Step]]:
    """Return the stages by name; the last one, the image itself, has none."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    found: dict[str, list[Step]] = {}
    steps: list[Step] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            found[rest.partition(" AS ")[2]] = steps = []
        steps.append(Step(word, rest))
    return found


def environment(stage: str = "") -> dict[str, str]:
    """Return the variables that a stage sets."""
    pairs = [pair for step in stages()[stage] if step.word == "ENV" for pair in shlex.split(step.rest)]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def step(word: str) -> Step:
    """Return the one step of that word in the image itself."""
    (found,) = [each for each in stages()[""] if each.word == word]
    return found


def build(folder: Path) -> Path:
    """Play the stage `build` in a folder: what it copies, then what it runs. Return where the packages are."""
    source, installed = folder / "source", folder / "loyalty"
    source.mkdir()
    for each in stages()["build"]:
        if each.word == "COPY" and "--from" not in each.rest:
            _copy(each.rest.split(), source)
        if each.word == "RUN":
            _run(MOUNT.sub("", each.rest), source, installed)
    return installed


def _copy(words: list[str], source: Path) -> None:
    *paths, target = words
    let_through = [line[1:] for line in IGNORED.read_text().splitlines() if line.startswith("!")]
    for path in paths:
        assert path in let_through, f".dockerignore keeps {path} from the build"
        to = source / target / path if target.endswith("/") else source / target
        to.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / path, to)


def _run(line: str, source: Path, installed: Path) -> None:
    """Run a line; first from what uv has already, since this machine may have no network today."""
    chosen = {"UV_PROJECT_ENVIRONMENT": str(installed), "UV_PYTHON": str(getattr(sys, "_base_executable"))}  # noqa: B009
    variables = os.environ | environment("build") | chosen
    variables["PATH"] = f"{ROOT / '.uv/bin'}:{variables['PATH']}"
    run = partial(subprocess.run, ["sh", "-c", line], cwd=source)
    if run(env=variables | {"UV_OFFLINE": "1"}, check=False, capture_output=True).returncode != 0:
        run(env=variables, check=True)
