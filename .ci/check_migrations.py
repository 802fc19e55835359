"""Migrates a new database of every service from nothing and fails where the tables in the code say something else."""

import os
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

from shared import embedded_postgres


def main() -> int:
    """The exit code of the first alembic that complains."""
    services = [
        name
        for name in read_sections()
        if name not in {"DEFAULT", "alembic"} and "script_location" in read_sections()[name]
    ]
    databases = {name: f"loyalty_{name}" for name in services}
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_postgres.start(
            Path(directory) / "postgres", databases=list(databases.values()), settings={"fsync": "off"}
        ) as server,
    ):
        for name, database in databases.items():
            environment = os.environ | {f"LOYALTY_{name.upper()}_DATABASE_URL": server.url_for(database)}
            for command in (["upgrade", "head"], ["check"]):
                alembic = [sys.executable, "-m", "alembic", "-n", name, *command]
                if code := subprocess.run(alembic, env=environment, check=False).returncode:
                    return code
    return 0


def read_sections() -> ConfigParser:
    """alembic.ini has one section per service."""
    sections = ConfigParser()
    sections.read("alembic.ini")
    return sections


if __name__ == "__main__":
    sys.exit(main())
