"""Settings from the environment, prefix `LOYALTY_`, refused by name when wrong."""

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from shared.api_keys import TOKEN

PREFIX = "LOYALTY_"
SERVICES = ("points", "referrals", "notifications")
"""One environment may carry the settings of all of them; each reads its own."""

EXIT_CODE = 2


class SettingsError(Exception):
    """One line per wrong variable."""


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:
        raise ValueError("should be a URL like postgresql://user:password@host:5432/database") from error
    if url.get_backend_name() not in {"postgresql", "postgres"} or not url.database:
        raise ValueError("should be a URL like postgresql://user:password@host:5432/database")
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _bootstrap_servers(value: str) -> str:
    servers = [server.strip() for server in value.split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16 or "/" in host:
            raise ValueError("should be a list like kafka-1:9092,kafka-2:9092")
    return ",".join(servers)


def _api_key(value: str) -> str:
    if not TOKEN.fullmatch(value):
        raise ValueError("should be lk_, a name, _ and at least 32 random letters and digits (openssl rand -hex 32)")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
"""A field of this type says `repr=False`: it may hold a password, which no message shows."""

ApiKey = Annotated[str, AfterValidator(_api_key)]
"""A field of this type says `repr=False` too."""

Secret = Annotated[str, StringConstraints(min_length=32, max_length=256, pattern=r"^[!-~]+$")]
"""A field of this type says `repr=False` too."""

BootstrapServers = Annotated[str, AfterValidator(_bootstrap_servers)]


class Settings(BaseSettings):
    """What every service takes from its environment; a service adds its own fields, named `<service>_…`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    services: ClassVar[frozenset[str]] = frozenset()
    """Whose own settings this kind holds."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    data_dir: Path = Path(".data")
    kafka_bootstrap_servers: BootstrapServers | None = None
    bootstrap_key: ApiKey | None = Field(default=None, repr=False)
    """The first API key of an installation; where there has ever been another, it is not looked at."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(_lower)] = "auto"

    max_request_bytes: Annotated[int, Field(ge=1024)] = 1 << 20
    max_batch_events: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_event_bytes: Annotated[int, Field(ge=1024)] = 256 << 10

    database_pool_size: Annotated[int, Field(ge=2, le=1000)] = 10
    dead_letter_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """A consumer stops where more than this share of its last `dead_letter_window` records can never work."""
    dead_letter_window: Annotated[int, Field(ge=1)] = 1000


Chosen = TypeVar("Chosen", bound=Settings)


def read(kind: type[Chosen]) -> Chosen:
    """Settings from the environment. Raises `SettingsError`, naming every variable that is wrong or that nobody knows."""
    unknown = _unknown(kind)
    try:
        settings = kind()
    except ValidationError as error:
        raise SettingsError("\n".join([*(_line(kind, each) for each in error.errors()), *unknown])) from None
    if unknown:
        raise SettingsError("\n".join(unknown))
    return settings


def read_or_exit(kind: type[Chosen]) -> Chosen:
    """As `read`, for the start of a process: says what is wrong on stderr and ends with exit code 2."""
    try:
        return read(kind)
    except SettingsError as error:
        refuse(error)


def refuse(error: SettingsError) -> NoReturn:
    """End the process with the names of the wrong settings."""
    sys.stderr.write(f"{error}\n")
    raise SystemExit(EXIT_CODE)


def variable(field: str) -> str:
    """The name of a field in the environment."""
    return f"{PREFIX}{field.upper()}"


def _line(kind: type[Settings], error: ErrorDetails) -> str:
    field = str(error["loc"][0])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{variable(field)}: is needed and not set"
    shown = field in kind.model_fields and kind.model_fields[field].repr
    return f"{variable(field)}: {message}" + (f", got {error['input']!r}" if shown else "")


def _unknown(kind: type[Settings]) -> list[str]:
    """A misspelt variable would leave a default in force that nobody chose."""
    known = {variable(field) for field in kind.model_fields}
    others = tuple(variable(f"{service}_") for service in SERVICES if service not in kind.services)
    given = {name.upper() for name in os.environ if name.upper().startswith(PREFIX)}
    return [_stranger(name, known) for name in sorted(given - known) if not name.startswith(others)]


def _stranger(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name}: is not a setting" + (f"; is {near[0]} meant?" if near else "")
