"""An endpoint's places: how many callbacks it is sent at once.

As a TCP connection finds its window (RFC 5681, and Vegas for the latency), so an endpoint finds its places. It begins
with a few, gets one more for every answer in good time (slow start: this doubles them) until it has shown trouble, and
after that one more for all of them together (additive increase). A failure, a timeout or a latency far above that of an
endpoint with little to do halves them (multiplicative decrease). Where the latency shows that callbacks queue up at the
endpoint, they become one fewer for all of them together, and where it hardly does, they stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 4
"""Places of an endpoint that has answered nothing yet; so few tell what its latency is while it has little to do."""
FAR = 1_000_000.0
"""A `slow_start_below` that no endpoint reaches."""

GROWS_WITHIN = (1.25, 10.0)
"""A latency in good time: up to so many times the unloaded one and so many ms more."""
QUEUES_BEYOND = (1.5, 10.0)
"""A latency that shows a queue: beyond so many times the unloaded one and so many ms more. The ms are what a busy relay
and a network add of their own; an endpoint that answers within them is not hurt."""
HALVES_BEYOND = (2.0, 25.0)
"""A latency that has risen too far, likewise."""


@dataclass(frozen=True, slots=True)
class Places:
    """`count` grows by fractions; the whole part counts, see `capacity`. Places double while they are fewer than
    `slow_start_below`. Both latencies are averages in ms, 0 before the first answer: the recent one, and the one with
    no more than `FIRST` callbacks under way."""

    count: float = float(FIRST)
    slow_start_below: float = FAR
    latency: float = 0.0
    unloaded: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint's places learn of an attempt: whether it was taken, after how many ms (without the time that
    this process was busy itself), and how many callbacks to the endpoint were under way when it was claimed."""

    ok: bool
    latency: float
    crowd: int


def capacity(places: Places, most: int) -> int:
    """How many callbacks may be under way to an endpoint that allows `most`."""
    return min(int(places.count), most)


def after_answer(places: Places, answer: Answer, most: int) -> Places:
    """The places after an answer, of an endpoint that allows `most`.

    Callbacks that were under way when the places were halved tell nothing new: the caller leaves their answers out.
    """
    if not answer.ok:
        return _halved(places, at_least=1)
    measured = _measured(places, answer)
    if measured.latency > _limit(measured, HALVES_BEYOND):
        return _halved(measured, at_least=FIRST)
    if measured.latency > _limit(measured, QUEUES_BEYOND):
        return _fewer(measured)
    good = max(measured.latency, answer.latency) <= _limit(measured, GROWS_WITHIN)
    # Places that were not in use have not been shown to be too few.
    if good and 2 * answer.crowd >= measured.count:
        return _grown(measured, most)
    return measured


def were_halved(before: Places, after: Places) -> bool:
    """Whether an answer has halved the places, rather than taken a part of one."""
    return after.count < before.count - 0.5


def _measured(places: Places, answer: Answer) -> Places:
    """With this answer's latency in the averages. The recent one follows within about half of the places' answers."""
    if not places.unloaded:
        return replace(places, latency=answer.latency, unloaded=answer.latency)
    latency = places.latency + (answer.latency - places.latency) / max(FIRST, places.count / 2)
    unloaded = places.unloaded
    if answer.crowd <= FIRST:
        unloaded += (answer.latency - unloaded) / 8
    elif latency < unloaded:
        unloaded += (latency - unloaded) / 8
    return replace(places, latency=latency, unloaded=unloaded)


def _limit(places: Places, bounds: tuple[float, float]) -> float:
    times, more = bounds
    return times * places.unloaded + more


def _grown(places: Places, most: int) -> Places:
    step = 1.0 if places.count < places.slow_start_below else 1 / places.count
    return replace(places, count=max(places.count, min(places.count + step, float(most))))


def _fewer(places: Places) -> Places:
    """One fewer after as many answers as there are places, but not fewer than `FIRST`; slow start is over."""
    count = min(places.count, max(places.count - 1 / places.count, float(FIRST)))
    return replace(places, count=count, slow_start_below=min(places.slow_start_below, count))


def _halved(places: Places, at_least: int) -> Places:
    """Half of the places, but not fewer than `at_least`, if there are as many; the average latency begins anew."""
    count = min(places.count, max(places.count / 2, float(at_least)))
    return replace(places, count=count, slow_start_below=count, latency=places.unloaded)
