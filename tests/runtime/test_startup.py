"""What has to hold before a process works: a lasting fault ends it, a Redis that is away is checked again."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from runtime.periodic import Background
from runtime.startup import StartupCheck, check_once
from schemas.errors import BadSetting, LedgerUnavailable
from tests.support.reasons import because
from tests.support.waiting import PATIENCE


class Scripted:
    """A check that fails in these ways, one after the other, and then passes."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        if self._failures:
            raise self._failures.pop(0)


async def test_a_check_that_passes_logs_nothing() -> None:
    """It is made once."""
    check = Scripted()
    with capture_logs() as lines:
        await check_once(check)
    assert (check.calls, lines) == (1, [])


async def test_a_redis_that_is_away_at_the_start_is_logged() -> None:
    """The process goes on: it may come back."""
    with capture_logs() as lines:
        await check_once(Scripted(LedgerUnavailable(because("connection refused"))))
    assert [(line["event"], line["error"]) for line in lines] == [("ledger_away", "connection refused")]


async def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    """Its time is over after `within`."""
    with capture_logs() as lines:
        await check_once(asyncio.Event().wait, within=0.01)
    assert [(line["event"], line["error"]) for line in lines] == [("ledger_away", "Redis did not answer within 0.01 s")]


async def test_a_lasting_fault_is_raised() -> None:
    """It ends the process with one line."""
    with pytest.raises(BadSetting, match="a right is missing"):
        await check_once(Scripted(BadSetting("a right is missing")), within=1)


async def test_it_is_checked_again_until_it_passes() -> None:
    """Then waiting ends, and so does the task."""
    check = Scripted(LedgerUnavailable(because("away")), LedgerUnavailable(because("away")))
    start = StartupCheck(check, retry_every=0.01)
    tasks = Background([start.task("check")])
    with tasks.running():
        await start.passed(within=10)
        assert check.calls == 3
        await asyncio.sleep(0.05)
    assert (check.calls, tasks.status()) == (3, 0)


async def test_nobody_waits_longer_than_asked() -> None:
    """Redis is away, and is not even asked again before the wait is over."""
    check = Scripted(LedgerUnavailable(because("away")))
    start = StartupCheck(check, retry_every=10 * PATIENCE)
    with Background([start.task("check")]).running():
        async with asyncio.timeout(PATIENCE):
            await start.passed(within=0.01)
        assert check.calls == 1


async def test_nobody_waits_for_a_process_that_is_about_to_end() -> None:
    """A lasting fault ends the task; `give_up` ends all waiting."""
    start = StartupCheck(Scripted(BadSetting("wrong keys")))
    tasks = Background([start.task("check")], start.give_up)
    with tasks.running():
        await asyncio.wait_for(start.passed(), 10)
    with pytest.raises(BadSetting, match="wrong keys"):
        tasks.status()
