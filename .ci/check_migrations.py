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
    sections = ConfigParser()
    sections.read("alembic.ini")
    urls = {name: f"loyalty_{name}" for name in sections if "script_location" in sections[name]}
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "postgres"
        with embedded_postgres.start(place, databases=list(urls.values()), settings={"fsync": "off"}) as server:
            return max(check(name, server.url_for(database)) for name, database in urls.items())


def check(service: str, url: str) -> int:
    """Alembic reads the database of a service from the setting that the service reads."""
    environment = os.environ | {f"LOYALTY_{service.upper()}_DATABASE_URL": url}
    alembic = [sys.executable, "-m", "alembic", "-n", service]
    return max(subprocess.run([*alembic, *task], env=environment, check=False).returncode for task in TASKS)


TASKS = (["upgrade", "head"], ["check"])

if __name__ == "__main__":
    sys.exit(main())
