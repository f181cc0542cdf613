"""The shapes of charts, computed on the server; templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from console.web.reason_display import as_text
from console.web.time_display import Clock
from schemas.endpoints.delivery import Attempt
from schemas.times import rfc3339

WIDTH, HEIGHT = 600, 64


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar in the units of its chart; `label` says what it stands for, `level` its colour."""

    x: float
    y: float
    width: float
    height: float
    label: str
    level: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars side by side; `peak` is the highest value, `total` the sum."""

    bars: tuple[Bar, ...]
    peak: float
    total: float
    width: int = WIDTH
    height: int = HEIGHT


def columns(values: Sequence[float], labels: Sequence[str]) -> Chart:
    """Values as columns from the left; the highest takes the whole height. Every value above 0 stays visible."""
    peak = max(values, default=0)
    step = WIDTH / max(len(values), 1)
    bars = []
    for place, (value, label) in enumerate(zip(values, labels, strict=True)):
        if value > 0:
            height = max(value / peak * HEIGHT, 2.0)
            bars.append(Bar(_round(place * step), _round(HEIGHT - height), _round(step * 0.8), _round(height), label))
    return Chart(tuple(bars), peak, sum(values))


@dataclass(frozen=True, slots=True)
class Pulse:
    """An endpoint's latest attempts: a bar for each, higher for slower ones, and their shares and times."""

    chart: Chart
    count: int
    success_rate: float | None
    median_ms: int | None
    slow_ms: int | None


_SLOWEST_MS = 15_000
_MOST_BARS = 40


def pulse(attempts: Sequence[Attempt], clock: Clock) -> Pulse:
    """The pulse of these attempts, which are oldest first; the last ones get a bar. A bar's height is the logarithm of
    the duration, so that both 20 ms and 10 s are visible."""
    shown = attempts[-_MOST_BARS:]
    step = 120 / _MOST_BARS
    bars = []
    for place, attempt in enumerate(shown):
        took = min(max(attempt.duration_ms, 1), _SLOWEST_MS)
        height = max(3.0, 24 * math.log10(took) / math.log10(_SLOWEST_MS))
        x = (_MOST_BARS - len(shown) + place) * step
        outcome = attempt.status_code or (as_text(attempt.error, clock) if attempt.error else None)
        label = f"{rfc3339(attempt.at)}: {outcome}, {attempt.duration_ms} ms"
        level = "ok" if attempt.succeeded else "bad"
        bars.append(Bar(_round(x), _round(24 - height), _round(step * 0.75), _round(height), label, level))
    times = sorted(attempt.duration_ms for attempt in attempts)
    return Pulse(
        chart=Chart(tuple(bars), times[-1] if times else 0, len(times), 120, 24),
        count=len(attempts),
        success_rate=sum(attempt.succeeded for attempt in attempts) / len(attempts) if attempts else None,
        median_ms=times[len(times) // 2] if times else None,
        slow_ms=times[min(len(times) - 1, math.ceil(len(times) * 0.95) - 1)] if times else None,
    )


def _round(number: float) -> float:
    return round(number, 2)
