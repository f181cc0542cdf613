"""An endpoint's places: how many callbacks it is sent at once.

The number of places is found as TCP finds the window of a connection (RFC 5681, and Vegas for the latency):

- slow start: an endpoint begins with a few places. Each answer in good time adds one, so a full round doubles them.
- additive increase: after the first trouble, a full round of answers in good time adds one place.
- multiplicative decrease: a failure, a timeout, or a latency far above the unloaded one halves the places.
- if the latency shows that callbacks queue up at the endpoint, a full round takes one place away. Between that and good
  time, the number stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 4
"""Places of an endpoint that has not answered yet. With no more callbacks than this under way, its latency counts as
the unloaded one."""
FAR = 1_000_000.0
"""A `slow_start_below` that no endpoint reaches."""

GROWS_WITHIN = (1.25, 10.0)
"""The limit of a latency in good time: so many times the unloaded one, plus so many ms."""
QUEUES_BEYOND = (1.5, 10.0)
"""A latency beyond this limit shows a queue: so many times the unloaded one, plus so many ms. A busy relay and the
network add these ms themselves, so they are not held against the endpoint."""
HALVES_BEYOND = (2.0, 25.0)
"""A latency beyond this limit, made likewise, halves the places."""


@dataclass(frozen=True, slots=True)
class Places:
    """`count` grows by fractions, of which `capacity` uses the whole part. Slow start lasts while `count` is below
    `slow_start_below`. Both latencies are averages in ms, 0 before the first answer: `latency` is the recent one,
    `unloaded` the one with no more than `FIRST` callbacks under way."""

    count: float = float(FIRST)
    slow_start_below: float = FAR
    latency: float = 0.0
    unloaded: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What places are computed from: whether the endpoint took the event, the `latency` in ms (without the time that
    this process was busy itself), and how many callbacks to the endpoint were under way at the claim (`in_flight`)."""

    ok: bool
    latency: float
    in_flight: int


def capacity(places: Places, most: int) -> int:
    """How many callbacks may be under way to an endpoint that allows `most`."""
    return min(int(places.count), most)


def after_answer(places: Places, answer: Answer, most: int) -> Places:
    """The places after an answer, of an endpoint that allows `most`.

    The caller leaves out answers to callbacks that were under way when the places were halved: they say nothing new.
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
    if good and 2 * answer.in_flight >= measured.count:
        return _grown(measured, most)
    return measured


def were_halved(before: Places, after: Places) -> bool:
    """Whether an answer has halved the places, rather than taken away a fraction of one."""
    return after.count < before.count - 0.5


def _measured(places: Places, answer: Answer) -> Places:
    """The places with this answer in the averages. The recent latency follows a change within about half a round."""
    if not places.unloaded:
        return replace(places, latency=answer.latency, unloaded=answer.latency)
    latency = places.latency + (answer.latency - places.latency) / max(FIRST, places.count / 2)
    unloaded = places.unloaded
    if answer.in_flight <= FIRST:
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
    """One fewer after a full round of answers, but not fewer than `FIRST`; slow start is over."""
    count = min(places.count, max(places.count - 1 / places.count, float(FIRST)))
    return replace(places, count=count, slow_start_below=min(places.slow_start_below, count))


def _halved(places: Places, at_least: int) -> Places:
    """Half of the places, but not fewer than `at_least` unless they were already. The recent latency begins anew."""
    count = min(places.count, max(places.count / 2, float(at_least)))
    return replace(places, count=count, slow_start_below=count, latency=places.unloaded)
