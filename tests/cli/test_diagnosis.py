"""What `relay doctor` finds in the relay's numbers."""

from __future__ import annotations

from typing import Any

import pytest

from cli.diagnosis import of_stats


def stats(**changes: Any) -> dict[str, Any]:
    """The answer of `GET /v1/stats` of a relay that is well, but for these: `refresh`, `deliveries` and others."""
    waiting = {"oldest_due_seconds": None, "paused": 0, "oldest_paused_seconds": None}
    well = {"works": True, "reason": None}
    answer: dict[str, Any] = {
        "refresh": waiting, "deliveries": {**waiting, "dead": 0}, "workers": [{"state": "running", "trouble": None}],
        "redis": {"durable": True, "reasons": []}, "memory": {"ratio": None, "nearly_full": False},
        "ledger": well, "queue": well, "refused_bodies": [], "old_copy": None,
        "history": {"available": True, "behind_seconds": 0.0, "waiting": 0, "reason": None},
    }  # fmt: skip
    return {name: {**value, **changes[name]} if name in changes else value for name, value in answer.items()}


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    """The outcome of each check."""
    return {finding.subject: finding.outcome for finding in of_stats(answer)}


def test_a_relay_that_is_well_has_no_finding() -> None:
    """Every check is passed."""
    assert set(outcomes(stats()).values()) == {"ok"}


@pytest.mark.parametrize("kind", ["refresh", "deliveries"])
@pytest.mark.parametrize(("seconds", "outcome"), [(45.0, "ok"), (61.0, "warning")])
def test_work_waits_too_long_after_a_minute(kind: str, seconds: float, outcome: str) -> None:
    """As the console and the alerts of Prometheus count: the doctor does not warn before they do."""
    assert outcomes(stats(**{kind: {"oldest_due_seconds": seconds}}))["backlog"] == outcome


@pytest.mark.parametrize(("seconds", "outcome"), [(59.0, "ok"), (61.0, "warning")])
def test_history_is_far_behind_after_a_minute(seconds: float, outcome: str) -> None:
    """The same holds for what is not recorded yet."""
    assert outcomes(stats(history={"behind_seconds": seconds}))["history"] == outcome
