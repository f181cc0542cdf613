"""Measured figures: medians and ratios of rounds, and what they have to reach."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["goal", "least", "missed"]


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile by nearest rank; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    `relay` and `other` hold one value a round; `against` names what `other` measures. `more`: higher is better. `least`
    and `goal` are what has to be reached and what is hoped for (or not exceeded, if lower is better): by the ratio, or,
    where there is nothing to compare with or it is `absolute`, by the relay's own median.
    """

    name: str
    unit: str
    relay: tuple[float, ...]
    other: tuple[float, ...] = ()
    against: str = ""
    more: bool = True
    least: float | None = None
    goal: float | None = None
    absolute: bool = False

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios, relay to other: noise that affects both cancels out."""
        pairs = (
            [relay / other for relay, other in zip(self.relay, self.other, strict=True) if other] if self.other else []
        )
        return statistics.median(pairs) if pairs else None

    @property
    def by_ratio(self) -> bool:
        """Whether `least` and `goal` are of the ratio."""
        return bool(self.other) and not self.absolute

    @property
    def verdict(self) -> Verdict | None:
        """How far it gets; None where nothing has to be reached."""
        found = self.ratio if self.by_ratio else statistics.median(self.relay)
        if found is None or self.least is None:
            return None
        if self.goal is not None and self._reaches(found, self.goal):
            return "goal"
        return "least" if self._reaches(found, self.least) else "missed"

    def _reaches(self, found: float, mark: float) -> bool:
        return found >= mark if self.more else found <= mark


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of one unit, for docs/benchmarks.md: each has a label and the values of its parts, by the part's name. Less
    is better unless `more` is."""

    name: str
    title: str
    unit: str
    bars: tuple[tuple[str, Mapping[str, float]], ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found: figures, charts, and notes, e.g. which peer cannot be installed here."""

    benchmark: str
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return asdict(self)

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Report:
        """The report of what `as_json` gave."""
        figures = (
            Figure(**{**one, "relay": tuple(one["relay"]), "other": tuple(one["other"])}) for one in stored["figures"]
        )
        charts = (
            Chart(**{**one, "bars": tuple((label, parts) for label, parts in one["bars"])}) for one in stored["charts"]
        )
        return cls(stored["benchmark"], tuple(figures), tuple(charts), tuple(stored["notes"]))
