"""Schedules: the waits between tries as data, `(5.0, 30.0, 120.0)` seconds. The last value repeats."""

from __future__ import annotations

import random

Schedule = tuple[float, ...]


def wait(schedule: Schedule, tries: int) -> float:
    """Seconds to wait before the next try after `tries` (≥ 0) waits; the last one repeats."""
    return schedule[min(tries, len(schedule) - 1)]


def until_next(schedule: Schedule, elapsed: float) -> float:
    """Seconds until the next turn, `elapsed` seconds after the start.

    The turns are fixed from the start, the schedule's waits apart, so that other refreshes do not move them; the last
    wait repeats. At least half of the shortest wait, or half a second: `elapsed` may be in whole seconds, and waits may
    be shorter.
    """
    end = 0.0
    for seconds in schedule:
        end += seconds
        if end > elapsed:
            break
    else:
        end = elapsed + schedule[-1] - (elapsed - end) % schedule[-1]
    return max(end - max(elapsed, 0.0), min(0.5, min(schedule) / 2))


def exhausted(schedule: Schedule, tries: int) -> bool:
    """Whether all waits of the schedule are used up."""
    return tries >= len(schedule)


def jittered(seconds: float, rng: random.Random, ratio: float = 0.2) -> float:
    """The wait changed by up to ± `ratio` of itself, so that work that failed together is not retried together."""
    return seconds * rng.uniform(1 - ratio, 1 + ratio)
