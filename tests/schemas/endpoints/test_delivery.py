"""Every row of the table of answers, and what holds for any answer at all."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.endpoints.delivery import AttemptResult, Dead, Delivered, Disable, Retry, attempt, judge

SCHEDULE = (5.0, 30.0, 120.0)
NOW = 1_800_000_000.0


def answered(status_code: int | None, error: str | None = None, retry_after: float | None = None) -> AttemptResult:
    """An answer with what matters to a verdict."""
    return AttemptResult(status_code, error, retry_after, 12, "body")


@pytest.mark.parametrize("status_code", [200, 201, 202, 204, 206, 299])
@pytest.mark.parametrize("attempts_before", [0, 3, 50])
def test_2xx_delivers(status_code: int, attempts_before: int) -> None:
    """Any 2xx in time delivers, at whichever attempt."""
    assert judge(answered(status_code), attempts_before, SCHEDULE, Random(1)) == Delivered()


@pytest.mark.parametrize("error", ["timed out after 15s", "invalid HTTP answer"])
def test_a_status_line_counts(error: str) -> None:
    """What follows a status line that came in time changes nothing about a 2xx; of a failure both are told."""
    taken = answered(204, error)
    assert isinstance(judge(taken, 0, SCHEDULE, Random(1)), Delivered)
    assert attempt(taken, 1.0, replay=False).error is None
    failed = answered(500, error)
    verdict = judge(failed, 0, SCHEDULE, Random(1))
    assert isinstance(verdict, Retry)
    assert verdict.reason == f"the last attempt answered 500, but {error}"
    assert attempt(failed, 1.0, replay=False).error == error


@pytest.mark.parametrize("error", [None, "invalid HTTP answer"])
@pytest.mark.parametrize("attempts_before", [0, 3])
def test_410_disables(attempts_before: int, error: str | None) -> None:
    """410 disables the endpoint, also at the last attempt: the delivery is held, not dead."""
    assert isinstance(judge(answered(410, error), attempts_before, SCHEDULE, Random(1)), Disable)


@pytest.mark.parametrize("status_code", [429, 503])
def test_retry_after(status_code: int) -> None:
    """`Retry-After` makes the whole lane wait. The delivery waits with its lane, so that it goes when the lane does."""
    verdict = judge(answered(status_code, retry_after=600.0), 0, SCHEDULE, Random(1))
    assert isinstance(verdict, Retry)
    assert (verdict.at_in <= 6.0, verdict.lane_wait) == (True, 600.0)


def test_retry_after_shorter_than_the_schedule() -> None:
    """A `Retry-After` below the schedule's wait does not shorten it."""
    verdict = judge(answered(429, retry_after=1.0), 1, SCHEDULE, Random(1))
    assert isinstance(verdict, Retry)
    assert verdict.at_in >= 24.0
    assert verdict.lane_wait == 1.0


def test_retry_after_has_an_end() -> None:
    """No endpoint makes its lane wait more than 24 h."""
    verdict = judge(answered(503, retry_after=1e9), 0, SCHEDULE, Random(1))
    assert isinstance(verdict, Retry)
    assert verdict.lane_wait == 86400.0


def test_retry_after_on_the_last_attempt() -> None:
    """A delivery that dies of a 503 with `Retry-After` still makes the lane wait."""
    verdict = judge(answered(503, retry_after=60.0), 3, SCHEDULE, Random(1))
    assert verdict == Dead("dead after 4 attempts; the last answered 503", 60.0)


@pytest.mark.parametrize("status_code", [301, 302, 307, 400, 401, 404, 413, 418, 500, 502, 599, 101])
def test_anything_else_fails(status_code: int) -> None:
    """Redirects and errors are failed attempts, and a `Retry-After` of theirs means nothing."""
    verdict = judge(answered(status_code, retry_after=600.0), 0, SCHEDULE, Random(1))
    assert isinstance(verdict, Retry)
    assert verdict.at_in <= 6.0
    assert verdict.lane_wait is None
    assert verdict.reason == f"the last attempt answered {status_code}"


def test_number_of_attempts() -> None:
    """There is one attempt more than the schedule has waits; then it is dead, with the reason in words."""
    default = (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400, 86400)
    verdicts = [judge(answered(500), before, default, Random(1)) for before in range(12)]
    assert all(isinstance(verdict, Retry) for verdict in verdicts[:11])
    assert verdicts[11] == Dead("dead after 12 attempts; the last answered 500")
    refused = judge(answered(None, "connection refused"), 0, (), Random(1))
    assert refused == Dead("dead after 1 attempt; the last failed: connection refused")


@given(
    status_code=st.none() | st.integers(100, 599),
    error=st.none() | st.just("timed out after 15s"),
    retry_after=st.none() | st.floats(0, 1e7),
    before=st.integers(0, 5),
    seed=st.integers(0, 1000),
)
def test_any_answer(
    status_code: int | None, error: str | None, retry_after: float | None, before: int, seed: int
) -> None:
    """Only a 2xx in time delivers; a wait is within ±20 % of the schedule's."""
    answer = answered(status_code, error, retry_after)
    verdict = judge(answer, before, SCHEDULE, Random(seed))
    assert isinstance(verdict, Delivered) is answer.ok
    if isinstance(verdict, Retry):
        wait = SCHEDULE[before]
        assert before < len(SCHEDULE)
        assert (verdict.lane_wait or 0.0) <= 86400
        assert 0.8 * wait <= verdict.at_in <= 1.2 * wait
    if isinstance(verdict, Dead):
        assert before >= len(SCHEDULE)


def test_attempt() -> None:
    """An attempt's record holds what its answer held."""
    record = attempt(answered(500), NOW, replay=True)
    assert (record.at, record.status_code, record.duration_ms, record.error) == (NOW, 500, 12, None)
    assert (record.response, record.replay) == ("body", True)
