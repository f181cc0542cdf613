"""How thoroughly to measure."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds`: 0 for as many as a benchmark has by itself. `quick`: so little that the figures mean nothing, to see
    in a minute whether everything runs."""

    rounds: int = 0
    seed: int = 0
    quick: bool = False

    def size(self, whole: int, quick: int) -> int:
        """How many of something: the whole number, or the one that is enough for `quick`."""
        return quick if self.quick else whole

    def numbers(self, usual: int) -> range:
        """The rounds' numbers, of a benchmark that usually has so many."""
        return range(self.rounds or self.size(usual, 1))

    def moments(self, number: int, per_second: int, seconds: float) -> list[float]:
        """Random moments, in seconds from a beginning, for so many webhooks a second; others in each round."""
        rng = random.Random(self.seed * 1000 + number)
        return sorted(rng.uniform(0, seconds) for _ in range(round(per_second * seconds)))
