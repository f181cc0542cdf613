"""Operators see what waits in receivers' spools."""

from __future__ import annotations

from collections.abc import Callable

from ledger import Ledger
from schemas.reasons import Reason
from tests.support.ledger_state import ledger_state
from tests.support.processes import Processes
from tests.support.receivers import start
from tests.support.waiting import until


async def test_a_receiver_tells_how_much_it_has_spooled(
    processes: Processes, redis_url: str, free_port: Callable[[], int]
) -> None:
    """A receiver is counted as soon as it runs; the sum of all is shown, and one that fell silent is forgotten."""
    ledger = Ledger.connect(redis_url, redis_url.removesuffix("/0") + "/1")
    try:
        await start(processes, free_port(), redis_url)

        async def reported() -> bool:
            return (await ledger.stats()).receivers == 1

        await until(reported)
        await ledger.intake.report_spool("another:8000:1", 7)
        numbers = await ledger.stats()
        assert (numbers.spooled, numbers.receivers, numbers.spool_troubles) == (7, 2, ())
        full = Reason.of("spool_unusable", Reason.of("disk_error", error="database or disk is full"))
        for name in ("another:8000:1", "a_fourth:8000:1"):
            await ledger.intake.report_spool(name, 0, full)
        assert (await ledger.stats()).spool_troubles == (full,)
        await ledger.intake.report_spool("a_fourth:8000:1", 0)
        await ledger.intake.report_spool("another:8000:1", 0)
        assert (await ledger.stats()).spool_troubles == ()
        async with ledger_state(redis_url) as state:
            await state.report_spool("another:8000:1", "7:1:")
        assert (await ledger.stats()).spooled == 0
        await ledger.intake.report_spool("a_third:8000:1", 0)
        async with ledger_state(redis_url) as state:
            assert "another:8000:1" not in await state.spools()
    finally:
        await ledger.close()
