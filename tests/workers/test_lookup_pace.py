"""How long a merchant's next look-up waits for company."""

from __future__ import annotations

from random import Random

from workers.lookup_pace import LONGEST, SHORTEST, Pace


def test_the_first_payment_after_a_pause_waits_for_nothing() -> None:
    """A lane that was not claimed lately is claimed at once."""
    pace = Pace()
    assert pace.wait("refresh/m", 10.0) == 0
    pace.claimed("refresh/m", 1, 10.0, full=False)
    assert pace.wait("refresh/m", 10.0) >= SHORTEST
    assert pace.wait("refresh/m", 11.0) == 0
    assert pace.wait("refresh/other", 10.0) == 0


def test_a_backlog_waits_for_nothing() -> None:
    """After a full batch, or one that found nothing, the next is claimed at once."""
    pace = Pace()
    for count, full in ((100, True), (0, False)):
        pace.claimed("refresh/m", 5, 10.0, full=False)
        pace.claimed("refresh/m", count, 10.0, full=full)
        assert pace.wait("refresh/m", 10.0) == 0


def test_a_burst_is_a_handful_of_look_ups() -> None:
    """150 webhooks within a third of a second are at most six batches; a hundred a second wait less than 50 ms each."""
    rng = Random(1)
    assert len(_played([rng.uniform(0, 0.3) for _ in range(150)])) <= 6
    longest = max(wait for batch in _played([n / 100 for n in range(200)]) for wait in batch)
    assert longest < 0.05 < LONGEST


def _played(arrivals: list[float]) -> list[list[float]]:
    """The waits of each batch's payments when these arrive, each claim taking what is there."""
    pace, batches, waiting, clock = Pace(), [], sorted(arrivals), 0.0
    while waiting:
        clock = max(clock, waiting[0])
        clock += pace.wait("refresh/m", clock)
        batch = [at for at in waiting if at <= clock][:100]
        waiting = waiting[len(batch) :]
        batches.append([clock - at for at in batch])
        pace.claimed("refresh/m", len(batch), clock, full=len(batch) == 100)
    return batches
