"""Background work goes on through any trouble with Redis, and a mistake in it is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import pytest
import structlog

from runtime.periodic import Background, Periodic
from schemas.errors import BadSetting, HistoryUnavailable, LedgerRefused, LedgerUnavailable
from tests.support.reasons import because
from tests.support.waiting import until

Step = Callable[[], Awaitable[object]]


def failing(errors: list[Exception]) -> tuple[Step, list[int]]:
    """A step that fails with these errors, one after the other, and then goes well; and the list of its turns."""
    turns: list[int] = []

    async def step() -> None:
        turns.append(len(turns))
        if errors:
            raise errors.pop(0)

    return step, turns


async def test_trouble_with_redis_is_told_once_and_passes() -> None:
    """The step is taken again and again; the log says what Redis said, and when it was over."""
    words = "Redis answered with an error: upstream failure"
    step, turns = failing([LedgerRefused(because(words)) for _ in range(20)])
    with structlog.testing.capture_logs() as lines:
        background = Background([Periodic("sweep", step, 0.001)])
        with background.running():
            await until(lambda: len(turns) > 25, "it goes on")
    assert background.status() == 0
    assert [(line["event"], line.get("error")) for line in lines] == [("ledger_away", words), ("ledger_back", None)]


async def test_the_log_names_what_is_back() -> None:
    """History or Redis, each once all steps that missed it succeed, even if a step misses one after the other."""
    away, full = HistoryUnavailable(because("away")), LedgerUnavailable(because("full"))
    first, turns = failing([away, full])
    second, others = failing([away] * 40)
    tasks = [Periodic("first", first, 0.001), Periodic("second", second, 0.001)]
    with structlog.testing.capture_logs() as lines, Background(tasks).running():
        await until(lambda: min(len(turns), len(others)) > 45, "both go on")
    assert [line["event"] for line in lines] == ["history_away", "ledger_away", "ledger_back", "history_back"]


async def test_trouble_that_comes_and_goes_does_not_fill_the_log() -> None:
    """Every other call fails: there is a line at once, and not one for each."""
    numbers = count()

    async def step() -> None:
        if next(numbers) % 2:
            raise LedgerUnavailable(because("Redis does not answer in time"))

    with structlog.testing.capture_logs() as lines, Background([Periodic("sweep", step, 0.001)]).running():
        await until(lambda: next(numbers) > 200, "it goes on")
    assert [line["event"] for line in lines] == ["ledger_away", "ledger_back"]


async def test_a_step_may_be_repeated_sooner_while_redis_is_away() -> None:
    """Until it succeeds; then it is as rare as before."""
    step, turns = failing([LedgerUnavailable(because("Redis does not answer in time")) for _ in range(3)])
    with Background([Periodic("renew_leases", step, 60, retry=0.001)]).running():
        await until(lambda: len(turns) == 4, "it succeeds")
        await asyncio.sleep(0.1)
    assert len(turns) == 4


@pytest.mark.parametrize("error", [TypeError("a mistake"), asyncio.CancelledError()])
async def test_a_mistake_is_told_loudly(error: BaseException) -> None:
    """Its traceback is logged, and `on_failure` is called once, though two tasks fail."""
    ended = asyncio.Event()

    async def broken() -> None:
        raise error

    with structlog.testing.capture_logs() as lines:
        background = Background([Periodic("one", broken, 1), Periodic("two", broken, 1)], ended.set)
        with background.running():
            await asyncio.wait_for(ended.wait(), 10)
            await asyncio.sleep(0)
    assert background.status() == 1
    assert {(line["event"], line["log_level"], line["task"]) for line in lines} == {
        ("background_failed", "critical", "one"), ("background_failed", "critical", "two"),
    }  # fmt: skip
    assert all(line["exc_info"] is not None for line in lines)


async def test_a_bad_setting_is_handed_on() -> None:
    """It becomes one line on standard error, without a traceback."""
    step, _ = failing([BadSetting("REDIS_URL: no")])
    ended = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        background = Background([Periodic("prepare", step, 1)], ended.set)
        with background.running():
            await asyncio.wait_for(ended.wait(), 10)
    assert lines == []
    with pytest.raises(BadSetting, match="REDIS_URL"):
        background.status()


async def test_what_is_to_be_done_once_is_done_once() -> None:
    """Until Redis lets it; then it is over, and that is no failure."""
    step, turns = failing([LedgerUnavailable(because("away"))])
    background = Background([Periodic("prepare", step, 0.001, once=True)])
    with background.running():
        await until(lambda: len(turns) == 2, "it is done")
        await asyncio.sleep(0.02)
    assert (len(turns), background.status()) == (2, 0)


async def test_what_is_stopped_has_not_failed() -> None:
    """One is stopped by its name, the others go on."""
    (one, turns), (two, others) = failing([]), failing([])
    background = Background([Periodic("one", one, 0.001), Periodic("two", two, 0.001)])
    with background.running():
        background.stop("one")
        await until(lambda: len(others) > 3, "the other goes on")
    await asyncio.sleep(0)
    assert (turns, background.status()) == ([], 0)
