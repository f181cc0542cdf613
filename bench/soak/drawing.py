"""A dashboard with its data as one SVG, readable on light and dark pages: Grafana's grid, titles, units and thresholds,
but not Grafana."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from bench.charts import COLOURS, STYLE
from bench.soak.dashboard import STEP, Board, Filled, Points

COLUMN, ROW, GAP = 50, 22, 8
"""Pixels of the grid's columns and rows, and between two panels."""
COLUMNS = 24
LETTER = 5.6
"""Pixels of a small letter, about."""
LINES = (*COLOURS, "#c2478f", "#5a8f29", "#3a96a8")
"""Of a panel's series, in their order."""
STATES = {"green": "#2f9e6e", "orange": "#d9822b", "red": "#d64545"}
_PAGE = (
    f"{STYLE}.small{{font-size:10px}}.big{{font-size:22px;font-weight:600;fill:#fff}}.on{{fill:#fff}}"
    ".panel{fill:none;stroke:#8884}.grid{stroke:#8883}.alert{fill:#d64545;opacity:.14}path{fill:none;stroke-width:1.4}"
)
_SCALES = {
    "s": ((60.0, " min"), (1.0, " s"), (0.001, " ms")),
    "bytes": ((2.0**30, " GiB"), (2.0**20, " MiB"), (2.0**10, " KiB")),
    "percentunit": ((0.01, " %"),),
}
_SUFFIXES = {"reqps": " /s", "ops": " /s"}


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: float
    y: float
    w: float
    h: float


def svg(board: Board, title: str) -> str:
    """The picture; its title says what is drawn to those who do not see it."""
    width = COLUMN * COLUMNS + GAP
    height = max(one.panel.y + one.panel.h for one in board.panels) * ROW + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_PAGE}</style>",
        f'<rect class="paper" width="{width}" height="{height}" rx="6"/>',
    ]
    for one in board.panels:
        panel = one.panel
        box = Box(panel.x * COLUMN + GAP, panel.y * ROW + GAP, panel.w * COLUMN - GAP, panel.h * ROW - GAP)
        draw = {"row": _heading, "stat": _stat, "timeseries": _graph}[panel.kind]
        lines += draw(board, one, box)
    return "\n".join((*lines, "</svg>", ""))


def shown(value: float, unit: str) -> str:
    """A value with its unit, short."""
    if unit in _SCALES and value:
        factor, suffix = _scale(value, unit)
        return f"{value / factor:.3g}{suffix}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}{_SUFFIXES.get(unit, '')}"


def _scale(value: float, unit: str) -> tuple[float, str]:
    scales = _SCALES.get(unit, ((1.0, ""),))
    return next((one for one in scales if abs(value) >= one[0]), scales[-1])


def _heading(_board: Board, one: Filled, box: Box) -> Iterator[str]:
    yield _text(box.x, box.y + 13, one.panel.title, "title")


def _stat(_board: Board, one: Filled, box: Box) -> Iterator[str]:
    """The last value, before a background of its colour."""
    points = one.series[0][1] if one.series else ()
    value = points[-1][1] if points else None
    colour = "#888888" if value is None else STATES[one.panel.colour(value)]
    words = one.panel.defaults["noValue"] if value is None else one.panel.text(value) or shown(value, one.panel.unit)
    yield f'<rect x="{box.x}" y="{box.y}" width="{box.w}" height="{box.h}" rx="4" fill="{colour}"/>'
    yield _text(box.x + 8, box.y + 17, one.panel.title, "small on")
    yield _text(box.x + 8, box.y + box.h - 16, words, "big")


def _graph(board: Board, one: Filled, box: Box) -> Iterator[str]:
    """Lines over time; red behind them where an alert fires."""
    drawn = [(legend, points) for legend, points in one.series if points]
    inner = Box(box.x + 52, box.y + 26, box.w - 60, box.h - 72)
    top = _round_up(max((value for _, points in drawn for _, value in points), default=0.0), one.panel.unit)
    yield f'<rect class="panel" x="{box.x}" y="{box.y}" width="{box.w}" height="{box.h}" rx="4"/>'
    yield _text(box.x + 8, box.y + 17, one.panel.title)
    for share in (0.0, 0.5, 1.0):
        y = inner.y + inner.h * (1 - share)
        yield f'<line class="grid" x1="{inner.x}" x2="{inner.x + inner.w}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(inner.x - 4, y + 3, shown(top * share, one.panel.unit), "small", "end")
    for minute in range(0, int(board.end - board.begin) // 60 + 1, 5):
        x = inner.x + minute * 60 / (board.end - board.begin) * inner.w
        yield _text(x, inner.y + inner.h + 11, f"{minute} min", "small", "middle" if minute else "start")
    for _, points in board.alerts:
        for begin, end in _stretches(points):
            x, w = _across(board, inner, begin), max(1.0, (end - begin) / (board.end - board.begin) * inner.w)
            yield f'<rect class="alert" x="{x:.1f}" y="{inner.y}" width="{w:.1f}" height="{inner.h}"/>'
    for number, (_, points) in enumerate(drawn):
        yield f'<path stroke="{LINES[number % len(LINES)]}" d="{_path(board, inner, points, top)}"/>'
    yield from _legend([legend for legend, _ in drawn], box)


def _legend(legends: Sequence[str], box: Box) -> Iterator[str]:
    """On two lines, as far as they go."""
    if not legends:
        yield _text(box.x + box.w / 2, box.y + box.h / 2, "nothing to show", "small", "middle")
    x, y = box.x + 8, box.y + box.h - 19
    for number, legend in enumerate(legends):
        width = 16 + LETTER * len(legend)
        if x + width > box.x + box.w and x > box.x + 8:
            x, y = box.x + 8, y + 13
        if y > box.y + box.h:
            return
        yield f'<rect x="{x:.0f}" y="{y - 7:.0f}" width="8" height="8" fill="{LINES[number % len(LINES)]}"/>'
        yield _text(x + 11, y, legend, "small")
        x += width


def _path(board: Board, box: Box, points: Points, top: float) -> str:
    """Moves over what is missing."""
    parts, before = [], float("-inf")
    for at, value in points:
        y = box.y + box.h * (1 - min(1.0, max(0.0, value / top)))
        parts.append(f"{'M' if at - before > 1.5 * STEP else 'L'}{_across(board, box, at):.1f},{y:.1f}")
        before = at
    return "".join(parts)


def _across(board: Board, box: Box, at: float) -> float:
    return box.x + (at - board.begin) / (board.end - board.begin) * box.w


def _stretches(points: Points) -> Iterator[tuple[float, float]]:
    """From when to when there are points without a gap."""
    begin, before = points[0][0], points[0][0]
    for at, _ in points[1:]:
        if at - before > 1.5 * STEP:
            yield begin, before
            begin = at
        before = at
    yield begin, before


def _round_up(value: float, unit: str) -> float:
    """1, 2 or 5 of a power of ten, as it is shown, that is not less; 1 for nothing."""
    if value <= 0:
        return 1.0
    factor, _ = _scale(value, unit)
    power = 10.0 ** int(f"{value / factor:e}".partition("e")[2]) * factor
    return next(one * power for one in (1.0, 2.0, 5.0, 10.0) if one * power >= value * 0.999)


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    where = f' text-anchor="{anchor}"' if anchor else ""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{style}{where}>{escape(words)}</text>'
