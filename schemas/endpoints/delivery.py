"""What an endpoint's answer means for a delivery. The rules are told in docs/callbacks.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.schedule import jittered

if TYPE_CHECKING:
    from random import Random

LONGEST_RETRY_AFTER = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt brought. `status_code` is None where no status line came in time. `error` is in words for people
    and None when an answer came whole and in time; one that broke off or never ended has both. `retry_after` is in
    seconds; `response` the first part of the answer's body. `stale_connection`: there was no answer, because the kept
    connection it was sent over had been dropped or spoilt; nobody can know whether the endpoint got it, nor does it say
    anything about the endpoint."""

    status_code: int | None
    error: str | None
    retry_after: float | None
    duration_ms: int
    response: str
    stale_connection: bool = False

    @property
    def ok(self) -> bool:
        """Whether the endpoint has taken the event: a 2xx in time. Whatever is wrong with the rest of the answer, it
        has acted by then, and another attempt would only make it act again."""
        return self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as operators see it; `at` is when it began, in UNIX seconds."""

    at: float
    status_code: int | None
    duration_ms: int
    error: str | None
    response: str
    replay: bool

    @property
    def succeeded(self) -> bool:
        """Whether the endpoint has taken the event: a whole 2xx answer in time."""
        return self.error is None and self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try once more in `at_in` seconds; where `lane_wait` is given, the whole lane sends nothing for so long: neither
    this delivery, nor any other."""

    at_in: float
    reason: str
    lane_wait: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """No further attempt unless an operator asks; `lane_wait` as for `Retry`."""

    reason: str
    lane_wait: float | None = None


@dataclass(frozen=True, slots=True)
class Disable:
    """The endpoint says it is gone: disable it, hold all it still has to get, this delivery too."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """It cannot be sent as things stand (a secret that no key opens, say): hold it, it is no failed attempt."""

    reason: str


Verdict = Delivered | Retry | Dead | Disable | Hold


def attempt(answer: AttemptResult, at: float, *, replay: bool) -> Attempt:
    """The record of an answer to an attempt that began `at` (UNIX seconds)."""
    return Attempt(
        at=at,
        status_code=answer.status_code,
        duration_ms=answer.duration_ms,
        error=None if answer.ok else answer.error,
        response=answer.response,
        replay=replay,
    )


def judge(answer: AttemptResult, attempts_before: int, schedule: tuple[float, ...], rng: Random) -> Verdict:
    """What an answer means for its delivery, after `attempts_before` earlier attempts.

    `schedule` holds the waits between attempts in seconds, so there is one attempt more than it has waits. Never
    `Hold`: that is for deliveries that were not attempted.
    """
    if answer.ok:
        return Delivered()
    if answer.status_code == 410:
        return Disable("answered 410 (gone)")
    lane_wait = _lane_wait(answer)
    if attempts_before >= len(schedule):
        count = attempts_before + 1
        attempts = "1 attempt" if count == 1 else f"{count} attempts"
        return Dead(f"dead after {attempts}; the last {_outcome(answer)}", lane_wait)
    wait = jittered(schedule[attempts_before], rng)
    return Retry(wait, f"the last attempt {_outcome(answer)}", lane_wait)


def _lane_wait(answer: AttemptResult) -> float | None:
    if answer.status_code not in (429, 503) or not answer.retry_after or answer.retry_after < 0:
        return None
    return min(answer.retry_after, LONGEST_RETRY_AFTER)


def _outcome(answer: AttemptResult) -> str:
    if answer.error is None:
        return f"answered {answer.status_code}"
    if answer.status_code is None:
        return f"failed: {answer.error}"
    return f"answered {answer.status_code}, but {answer.error}"
