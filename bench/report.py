"""What was measured, as a table for readers and as figures for programs."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 150
"""Of a table that goes into a file."""

Tell = Callable[[str], None]
"""Says on the terminal what is being measured now."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure should reach, and must: `goal` and `least` are lower bounds, or upper ones where `down`."""

    goal: float
    least: float
    down: bool = False
    unit: str = ""

    def __str__(self) -> str:
        sign = "≤" if self.down else "≥"
        goal = f"{sign} {self.goal:g}{self.unit}"
        return goal if self.goal == self.least else f"{goal} (done: {sign} {self.least:g}{self.unit})"

    def colour(self, figure: float) -> str:
        if self._reaches(figure, self.goal):
            return "green"
        return "yellow" if self._reaches(figure, self.least) else "red"

    def _reaches(self, figure: float, bound: float) -> bool:
        return figure <= bound if self.down else figure >= bound


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table; `judged` is what the bar is for."""

    what: str
    ours: str = ""
    beside: str = ""
    judged: float | None = None
    bar: Bar | None = None


@dataclass(slots=True)
class Section:
    """The rows that belong together, and every figure behind them by its name."""

    title: str
    lines: list[Line] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def neighbour_ratio(ours: Sequence[float], floors: Sequence[float]) -> float:
    """Return the median of the ratios of rounds that were measured directly after one another: floor, ours, floor, ours, …

    Other work on the machine slows neighbours alike, and so leaves their ratio.
    """
    pairs = [*zip(ours, floors, strict=False), *zip(ours, floors[1:], strict=False)]
    return statistics.median(mine / floor for mine, floor in pairs)


def show(sections: Sequence[Section], *, title: str) -> None:
    """Print the table."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(f"\n[bold]{title}")
    for section in sections:
        console.print(_table(section))


def _table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", expand=True)
    for name, share in (("", 4), ("ours", 4), ("beside", 4), ("figure", 1), ("goal", 3)):
        table.add_column(name, justify="left" if name in {"", "goal"} else "right", overflow="fold", ratio=share)
    for line in section.lines:
        table.add_row(line.what, line.ours, line.beside, *_judgement(line))
    return table


def _judgement(line: Line) -> tuple[str, str]:
    if line.judged is None:
        return "", ""
    if line.bar is None:
        return f"{line.judged:.3g}", ""
    return f"[{line.bar.colour(line.judged)}]{line.judged:.3g}{line.bar.unit}", str(line.bar)


def write(figures: dict[str, Any], path: Path) -> None:
    """Write the figures; those that this run did not measure are not kept from an earlier one."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=2, default=str) + "\n")
