"""How long each part of the run takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tests.support.prometheus import OF_SCRAPES

SHORTEST_JUDGED = 300.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: of the load whose memory is compared (`steady`), of Redis' absence at least (`away`), and of load after
    all alerts have ended (`after`). `traced` is the share of the webhooks that are traced. `quick`: Prometheus looks
    every second, and alerts fire after one."""

    steady: float = 600.0
    away: float = 60.0
    after: float = 30.0
    per_second: int = 100
    traced: float = 0.01
    quick: bool = False

    @property
    def sample_every(self) -> float:
        """Between two looks at memory and alerts."""
        return 0.5 if self.quick else 2.0

    @property
    def judges_memory(self) -> bool:
        """Whether the load is long enough: in a shorter run, what a process grows by at its start would decide."""
        return self.steady >= SHORTEST_JUDGED

    @property
    def unreliable(self) -> Collection[str]:
        """Alerts that may fire without a reason."""
        return OF_SCRAPES if self.quick else ()

    @property
    def patience(self) -> float:
        """Within which alerts have to fire, and to end."""
        return 60.0 if self.quick else 240.0


QUICK = Times(steady=6.0, away=3.0, after=2.0, per_second=20, traced=0.05, quick=True)
"""A fifth of the load, of which as many webhooks are traced: enough to see that they are."""
