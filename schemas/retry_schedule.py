"""Waits between tries, as data: `(5.0, 30.0, 120.0)` seconds. The last value repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

Schedule = tuple[float, ...]


def wait(schedule: Schedule, tries: int) -> float:
    """Seconds to wait before the next try after `tries` (≥ 0) earlier waits; the last wait repeats."""
    return schedule[min(tries, len(schedule) - 1)]


def until_next(schedule: Schedule, elapsed: float) -> float:
    """Seconds until the next turn, `elapsed` seconds after the start.

    Turns are the schedule's waits apart, counted from the start, so that other refreshes do not move them; the last
    wait repeats. The result is at least half of the shortest wait, or half a second if that is less: `elapsed` may be
    in whole seconds, and waits may be shorter than a second.
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
    """Whether all waits of the schedule are used up, for callers that give up then."""
    return tries >= len(schedule)


def jittered(seconds: float, rng: random.Random) -> float:
    """The wait moved by up to ± 20 % of itself, so that deliveries that failed together do not retry together."""
    return seconds * rng.uniform(0.8, 1.2)
