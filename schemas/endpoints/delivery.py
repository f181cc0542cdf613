"""What an endpoint's answer means for a delivery. docs/callbacks.md states the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.reasons import Reason
from schemas.retry_schedule import jittered

if TYPE_CHECKING:
    from random import Random

LONGEST_RETRY_AFTER = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt.

    `status_code` is None if no status line came in time. `error` says why no complete answer came in time; an answer
    that broke off has both. `retry_after` is in seconds. `response` is the first part of the answer's body, or the
    reason why it cannot be shown. `stale_connection`: no answer came, because the kept-alive connection that carried
    the request had been dropped or corrupted. The endpoint may or may not have received the request, so the attempt
    does not affect its health.
    """

    status_code: int | None
    error: Reason | None
    retry_after: float | None
    duration_ms: int
    response: str | Reason
    stale_connection: bool = False

    @property
    def ok(self) -> bool:
        """Whether the endpoint has taken the event: a 2xx in time. That holds even if the rest of the answer is broken:
        the endpoint has acted by then, and another attempt would make it act twice."""
        return self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it is stored; `at` is when it began, in UNIX seconds."""

    at: float
    status_code: int | None
    duration_ms: int
    error: Reason | None
    response: str | Reason
    replay: bool

    @property
    def succeeded(self) -> bool:
        """Whether the endpoint has taken the event: a whole 2xx answer in time."""
        return self.error is None and self.status_code is not None and 200 <= self.status_code < 300


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint accepted it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try once more in `at_in` seconds. If `lane_wait` is given, the whole lane pauses for that many seconds."""

    at_in: float
    reason: Reason
    lane_wait: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """No further attempt unless an operator asks; `lane_wait` as for `Retry`."""

    reason: Reason
    lane_wait: float | None = None


@dataclass(frozen=True, slots=True)
class Disable:
    """The endpoint answered 410 (gone): disable it, and hold all its pending deliveries, including this one."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Hold:
    """The delivery cannot be sent now, e.g. because no key opens a secret. It is held; no attempt has failed."""

    reason: Reason


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

    `schedule` holds the waits between attempts in seconds, so there is one attempt more than there are waits. The
    verdict is never `Hold`, which is for deliveries that were not attempted.
    """
    if answer.ok:
        return Delivered()
    if answer.status_code == 410:
        return Disable(Reason.of("endpoint_gone"))
    lane_wait = _lane_wait(answer)
    if attempts_before >= len(schedule):
        return Dead(Reason.of("attempts_exhausted", _outcome(answer), attempts=attempts_before + 1), lane_wait)
    wait = jittered(schedule[attempts_before], rng)
    return Retry(wait, Reason.of("retry_scheduled", _outcome(answer)), lane_wait)


def _lane_wait(answer: AttemptResult) -> float | None:
    if answer.status_code not in (429, 503) or not answer.retry_after or answer.retry_after < 0:
        return None
    return min(answer.retry_after, LONGEST_RETRY_AFTER)


def _outcome(answer: AttemptResult) -> Reason:
    if answer.status_code is None:
        return Reason.of("no_answer", answer.error)
    return Reason.of("http_answer", answer.error, status=answer.status_code)
