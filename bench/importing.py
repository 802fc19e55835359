"""How long a shop's whole past takes: Online Retail through `loyalty import` into an empty database."""

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.place import BenchError, Place, ask, environment
from bench.report import Bar, Line, Section, Tell

FILES = ("online_retail_2009_2010.csv.zst", "online_retail_2010_2011.csv.zst")
BOOKED = {"purchases": 36_969, "customers": 5_878, "points": 17_414_139}
"""What a right import books; another number is another measurement."""


async def measure(place: Place, tell: Tell) -> Section:
    """Measure the import, or say why not."""
    section = Section("Import of Online Retail, 1,044,847 rows, as `loyalty import` does it from start to end")
    folder = os.environ.get("ONLINE_RETAIL_DIR")
    files = [Path(folder or "") / name for name in FILES]
    if not folder or not all(file.exists() for file in files):
        section.lines.append(Line(f"not measured: ONLINE_RETAIL_DIR names no folder with {' and '.join(FILES)}"))
        return section
    tell("import of Online Retail")
    async with place.database() as url:
        _add(section, await _run(url, files))
    return section


async def _run(url: str, files: list[Path]) -> dict[str, Any]:
    settings = {"LOYALTY_POINTS_DATABASE_URL": url, "LOYALTY_LOG_LEVEL": "warning"}
    with TemporaryDirectory(prefix="loyalty-bench-") as folder:
        words = [
            "import",
            "--preset",
            "online-retail",
            *map(str, files),
            "--rejected",
            f"{folder}/rejected.csv",
            "--json",
        ]
        command = [str(Path(sys.executable).with_name("loyalty")), *words]
        ran: dict[str, Any] = await ask("bench.launcher", {"command": command, "environment": environment() | settings})
    if ran["code"] != 0:
        raise BenchError(f"`loyalty import` ended with exit code {ran['code']}: {ran['errors'][-500:].strip()}")
    booked = json.loads(ran["said"].splitlines()[-1])
    wrong = {name: booked.get(name) for name, right in BOOKED.items() if booked.get(name) != right}
    if wrong:
        raise BenchError(f"`loyalty import` booked {wrong}; it should have been {BOOKED}")
    return ran


def _add(section: Section, ran: dict[str, Any]) -> None:
    seconds, peak = ran["seconds"], ran["peak_mb"]
    section.figures = {"import_seconds": seconds, "import_mb": peak}
    section.lines += [
        Line(
            "seconds", f"{1_044_847 / seconds:,.0f} rows/s", "", seconds, Bar(goal=25, least=60, down=True, unit=" s")
        ),
        Line("peak memory of the process", "", "", peak, Bar(goal=400, least=400, down=True, unit=" MB")),
    ]
