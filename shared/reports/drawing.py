"""Answers as pictures: small SVG charts that need no script and follow the reader's light or dark scheme."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from shared.reports.report import Answer, Column

WIDTH = 880
LEFT, RIGHT = 76, 28
HEADER, HEIGHT, BELOW = 108, 240, 68
PLOT = WIDTH - LEFT - RIGHT
RANK, GAP, LABEL, MOST_RANKS = 18, 12, 200, 30
CELL = 30
TICKS = 5
LABELS_ALONG = 14
LETTERS = 28
READABLE = 0.8
"""As dark as a cell may be under dark letters."""

STYLE = """
.r{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12px}
.r .paper{fill:#ffffff}.r text{fill:#4a5361}.r .title{font-size:18px;font-weight:600;fill:#171c24}
.r .strong{fill:#171c24}.r .grid{stroke:#e4e7ec}.r .axis{stroke:#aab2bd}
.r .s0{fill:#2563c9;stroke:#2563c9}.r .s1{fill:#d9822b;stroke:#d9822b}.r .s2{fill:#1f9d74;stroke:#1f9d74}
.r text.s0,.r text.s1,.r text.s2{stroke:none}.r .line{fill:none;stroke-width:2.25;stroke-linejoin:round}
.r rect.bar{stroke:none}.r .open{fill:#ffffff;stroke-width:2}.r .unfinished{opacity:.5}.r text.on{fill:#ffffff}
@media (prefers-color-scheme:dark){
.r .paper{fill:#14181f}.r text{fill:#a9b3c1}.r .title,.r .strong{fill:#eef1f5}.r .grid{stroke:#2a313c}.r .axis{stroke:#5b6675}
.r .s0{fill:#6ea3ff;stroke:#6ea3ff}.r .s1{fill:#f2a65a;stroke:#f2a65a}.r .s2{fill:#4fcf9f;stroke:#4fcf9f}
.r .open{fill:#14181f}.r text.on{fill:#0c1016}}"""


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one column, in the order of the rows."""

    name: str
    values: list[float | None]
    number: int


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn on one pair of axes; `unfinished` are the places of periods that are not complete."""

    name: str
    along: str
    unit: str
    labels: list[str]
    series: list[Series]
    unfinished: frozenset[int]


def as_svg(answer: Answer) -> str:
    """Return the picture of an answer; what it found nothing for is said so in it."""
    chart = answer.report.chart
    draw = {"lines": _lines, "bars": _bars, "ranks": _ranks}.get(chart.kind)
    panels = [] if draw is None else [draw(panel) for panel in _panels(answer)]
    if draw is None and answer.findings.rows:
        panels = [_heat(answer)]
    below = float(HEADER)
    body: list[str] = []
    for height, drawn in panels:
        body += [f'<g transform="translate(0 {below})">', *drawn, "</g>"]
        below += height
    if not panels:
        body.append(_text(WIDTH / 2, below + 30, "Nothing in this range", anchor="middle"))
        below += 80
    return "\n".join((*_head(answer, below), *body, "</svg>")) + "\n"


def _head(answer: Answer, height: float) -> Iterator[str]:
    report, asked = answer.report, answer.question
    narrowed = [f"shop {asked.shop_id}" if asked.shop_id else "", asked.currency or ""]
    own = (each for each in asked.own.values() if isinstance(each, str))
    about = " · ".join(filter(None, (answer.about(), *narrowed, *own)))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" class="r" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img">'
    yield f"<title>{escape(report.title)}</title><desc>{escape(report.says)}</desc><style>{STYLE}</style>"
    yield f'<rect class="paper" width="{WIDTH}" height="{height:g}"/>'
    yield _text(28, 36, report.title, "title")
    yield _text(28, 58, about)


# What is drawn


def _panels(answer: Answer) -> Iterator[Panel]:
    report, chart = answer.report, answer.report.chart
    columns = {column.name: (place, column) for place, column in enumerate(report.columns)}
    by = columns[chart.panels][0] if chart.panels else None
    rows = sorted(answer.findings.rows, key=lambda row: row[by]) if by is not None else answer.findings.rows
    for name, group in groupby(rows, key=lambda row: row[by] if by is not None else ""):
        yield _panel(str(name), list(group), columns, answer)


def _panel(name: str, rows: list[Sequence[Any]], columns: dict[str, tuple[int, Column]], answer: Answer) -> Panel:
    chart = answer.report.chart
    drawn, along, complete = [columns[each] for each in chart.drawn], columns[chart.along][0], columns.get("complete")
    places: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        places.setdefault(str(row[along]), []).append(row)
    series = [
        Series(_words(column.name), [_total(row[place] for row in each) for each in places.values()], number)
        for number, (place, column) in enumerate(drawn)
    ]
    open_ = (n for n, each in enumerate(places.values()) if complete is not None and not each[0][complete[0]])
    unit = {"percent": "%", "money": name}.get(drawn[0][1].unit, drawn[0][1].unit)
    return Panel(name, _words(chart.along), unit, list(places), series, frozenset(open_))


def _total(values: Iterable[Any]) -> float | None:
    """Return the sum of what rows of the same place say; none where they say nothing."""
    said = [float(value) for value in values if value is not None]
    return sum(said) if said else None


def _words(name: str) -> str:
    return name.replace("_", " ")


# Lines and bars along the periods


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values stand: `low` and `high` at the ends of the plot, a tick every `step`."""

    low: float
    high: float
    step: float

    def y(self, value: float) -> float:
        return round(HEIGHT * (self.high - value) / (self.high - self.low), 1)

    def ticks(self) -> list[float]:
        return [self.low + n * self.step for n in range(round((self.high - self.low) / self.step) + 1)]


def scale(values: Sequence[float]) -> Scale:
    """Return a scale of round steps that holds 0 and all values."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    rough = (high - low or 1.0) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough)
    # shares are rounded, and so come to a little more than 100 now and then
    return Scale(math.floor(low / step) * step, max(math.ceil(high / step - 0.001), 1) * step, step)


def _lines(panel: Panel) -> tuple[float, list[str]]:
    axis = scale([value for series in panel.series for value in series.values if value is not None])
    drawn = [*_legend(panel), *_axes(panel, axis)]
    for series in panel.series:
        points = [
            (_x(panel, n), axis.y(value), n in panel.unfinished) if value is not None else None
            for n, value in enumerate(series.values)
        ]
        drawn += _path(series, points)
        for x, y, is_open in filter(None, points):
            drawn.append(f'<circle class="s{series.number}{" open" if is_open else ""}" cx="{x}" cy="{y}" r="3"/>')
    return HEIGHT + BELOW, drawn


def _path(series: Series, points: Sequence[tuple[float, float, bool] | None]) -> Iterator[str]:
    for is_there, run in groupby(points, key=lambda point: point is not None):
        if is_there:
            places = " ".join(f"{point[0]},{point[1]}" for point in run if point)
            yield f'<polyline class="line s{series.number}" style="fill:none" points="{places}"/>'


def _bars(panel: Panel) -> tuple[float, list[str]]:
    count = len(panel.labels)
    tops = [sum(series.values[n] or 0 for series in panel.series) for n in range(count)]
    axis = scale(tops)
    width = round(min(48, PLOT / count * 0.68), 1)
    drawn = [*_legend(panel), *_axes(panel, axis)]
    for n in range(count):
        so_far = 0.0
        for series in panel.series:
            value = series.values[n] or 0
            high, low = axis.y(so_far + value), axis.y(so_far)
            so_far += value
            dim = " unfinished" if n in panel.unfinished else ""
            place = f'x="{_x(panel, n) - width / 2:.1f}" y="{min(high, low)}" width="{width}" height="{abs(low - high):.1f}"'
            drawn.append(f'<rect class="bar s{series.number}{dim}" {place}/>')
    return HEIGHT + BELOW, drawn


def _axes(panel: Panel, axis: Scale) -> Iterator[str]:
    for tick in axis.ticks():
        y, kind = axis.y(tick), "axis" if tick == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield _text(LEFT - 10, y + 4, _short(tick), anchor="end")
    every = math.ceil(len(panel.labels) / LABELS_ALONG)
    for n in range(0, len(panel.labels), every):
        yield _text(_x(panel, n), HEIGHT + 20, panel.labels[n], anchor="middle")
    yield _text(LEFT - 10, -12, panel.unit, anchor="end")


def _legend(panel: Panel, left: int = LEFT) -> Iterator[str]:
    x = float(left)
    if len(panel.series) == 1:
        yield _text(x, -12, panel.series[0].name)
        return
    for series in panel.series:
        yield f'<rect class="bar s{series.number}" x="{x:g}" y="-21" width="10" height="10" rx="2"/>'
        yield _text(x + 16, -12, series.name)
        x += 36 + 6.6 * len(series.name)


def _x(panel: Panel, place: int) -> float:
    return round(LEFT + PLOT * (place + 0.5) / len(panel.labels), 1)


# Bars beside each other, and a table in colours


def _ranks(panel: Panel) -> tuple[float, list[str]]:
    shown, high = min(len(panel.labels), MOST_RANKS), RANK * len(panel.series) + GAP
    longest = max((abs(value) for series in panel.series for value in series.values[:shown] if value), default=1.0)
    named = panel.name if panel.labels == [panel.name] else " · ".join(filter(None, (panel.name, panel.along)))
    drawn = [*_legend(panel, LABEL), _text(LABEL - 10, -12, named, "strong", anchor="end")]
    for n in range(shown):
        middle = n * high + (high - GAP) / 2
        drawn.append(_text(LABEL - 10, middle + 4, _cut(panel.labels[n]), "strong", anchor="end"))
        for series in panel.series:
            drawn += _rank(series, series.values[n], n * high + series.number * RANK, longest)
    return shown * high + BELOW, drawn


def _rank(series: Series, value: float | None, y: float, longest: float) -> Iterator[str]:
    width = (WIDTH - LABEL - RIGHT - 90) * abs(value or 0) / longest
    place = f'x="{LABEL}" y="{y:g}" width="{width:.1f}" height="{RANK - 1}"'
    yield f'<rect class="bar s{series.number}" {place}/>'
    yield _text(LABEL + width + 8, y + 13, "none" if value is None else _exact(value))


def _heat(answer: Answer) -> tuple[float, list[str]]:
    records = answer.records()
    cohorts = list(dict.fromkeys(record["cohort"] for record in records))
    most = max(record["since"] for record in records) + 1
    left = 150
    wide = min(54.0, (WIDTH - left - RIGHT) / most)
    later = [float(record["share"] or 0) for record in records if record["since"]]
    strongest = max(later, default=0) or 100
    named = f"{answer.question.period}s since the first purchase"
    drawn = [
        _text(28, 6, "cohort (customers)", "strong"),
        _text(left, -14, f"share in % who buy, by {named}", "strong"),
    ]
    drawn += [_text(left + wide * (n + 0.5), 6, str(n), anchor="middle") for n in range(most)]
    for record in records:
        x, y = left + record["since"] * wide, 14 + cohorts.index(record["cohort"]) * CELL
        if record["since"] == 0:
            drawn.append(_text(28, y + 19, f"{record['cohort']} ({record['customers']:,})", "strong"))
        drawn += _cell(x, y, wide, float(record["share"] or 0), strongest)
    return len(cohorts) * CELL + 40, drawn


def _cell(x: float, y: float, wide: float, share: float, strongest: float) -> Iterator[str]:
    weight = min(share / strongest, 1)
    place = f'x="{x:.1f}" y="{y}" width="{wide - 2:.1f}" height="{CELL - 2}" rx="3"'
    yield f'<rect class="bar s0" style="opacity:{0.06 + 0.94 * weight:.2f}" {place}/>'
    kind = "on" if weight > READABLE else "strong"
    text = f"{share:.0f}" if wide >= CELL - 6 else ""
    yield _text(x + wide / 2 - 1, y + 18, text, kind, anchor="middle")


# Words and figures


def _text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _cut(words: str) -> str:
    return words if len(words) <= LETTERS else words[: LETTERS - 1] + "…"


def _short(value: float) -> str:
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{round(value, 6):g}"


def _exact(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
