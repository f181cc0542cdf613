"""What a run found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.figures import percentile
from bench.soak.alert_watch import Look
from bench.soak.kept import Kept
from bench.soak.memory import Growth
from bench.stubs import Arrivals
from bench.traffic import Sent
from tests.support.prometheus import DOCS

EXPECTED = frozenset({"RelayRedisAway", "RelaySpoolInUse"})
"""What has to fire while Redis is away, and nothing else."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds: from sending a webhook to its answer, and to its callback."""

    answer_p99: float
    callback_p50: float
    callback_p95: float


@dataclass(frozen=True, slots=True)
class AlertStory:
    """An alert that fired: seconds after Redis was stopped until it did, and after Redis was back until it had ended
    (None: it did not)."""

    name: str
    runbook_url: str
    fired: float
    ended: float | None

    @property
    def page(self) -> str:
        """The page of docs/ and the heading that its link leads to."""
        return self.runbook_url.removeprefix(f"{DOCS}/")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found. `began` and `ended` are UNIX seconds; `cpu` are shares of a core under steady load, by process;
    `alerts_in_peace` were pending or firing before Redis was stopped; it was `away_for` seconds, and so many webhooks
    were `spooled` when its alerts fired."""

    began: float
    ended: float
    memory: Sequence[Growth]
    cpu: Mapping[str, float]
    steady: Waits
    alerts_in_peace: frozenset[str]
    away_for: float
    alerts: Sequence[AlertStory]
    spooled: float
    kept: Kept


def waits(arrivals: Arrivals, parts: Sequence[Sent]) -> Waits:
    """Of the webhooks of these parts; those whose callbacks did not come are missing elsewhere."""
    answers = [wait * 1000 for part in parts for wait in part.waits]
    sent = [(one, at) for part in parts for one, at in part.at.items() if f"/0 {one}" in arrivals.at]
    callbacks = [(arrivals.came(one) - at) * 1000 for one, at in sent]
    return Waits(percentile(answers, 99), percentile(callbacks, 50), percentile(callbacks, 95))


def stories(looks: Sequence[Look], stopped: float, returned: float) -> list[AlertStory]:
    """Of the alerts that fired since Redis was stopped."""
    urls = {one.name: one.runbook_url for look in looks for one in look.alerts if one.state == "firing"}
    found = []
    for name, url in urls.items():
        fires = [look.at for look in looks if name in look.firing]
        after = [look.at for look in looks if look.at > max(fires)]
        ended = max(0.0, after[0] - returned) if after else None
        found.append(AlertStory(name, url, fires[0] - stopped, ended))
    return found
