"""What the machine lets a process use."""

from __future__ import annotations

import os

import pytest

from runtime.machine import usable_cores


def test_only_cores_that_the_process_may_run_on_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """`taskset` and containers with a cpuset leave fewer than the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 7}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert usable_cores() == 3


@pytest.mark.parametrize(("count", "cores"), [(8, 8), (None, 1)])
def test_a_system_without_affinity_says_how_many_there_are(
    monkeypatch: pytest.MonkeyPatch, count: int | None, cores: int
) -> None:
    """macOS knows the whole number only; one core is there in any case."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert usable_cores() == cores
