"""Scripts that end halfway, and history: once the operation was made again, history says what the ledger says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import delete

from history import History, tables
from history.connection import open_database
from ledger.lua import script
from runtime.history_url import parse
from schemas.errors import Conflict, NotFound
from tests.ledger.changing_operations import LANE, OPERATIONS, REPLAYED, Operation, shown
from tests.ledger.test_acl import CALLED
from tests.ledger.test_halfway import Halfway, halfway, is_done, modules_redis
from tests.support.histories import OUTBOX, make_tables, record_all
from tests.support.history_rows import differences, rows_in, rows_of_ledger
from tests.support.ledger_state import LedgerState

__all__ = ["halfway", "modules_redis"]

MOST_ROUNDS = 20
UNCALLED = "echo"
"""No script calls it: where it is refused, the operation is just made twice."""


def commands_of(scripts: Sequence[str]) -> set[str]:
    """The commands that these scripts may call."""
    return {command.lower() for name in scripts for command in CALLED.findall(script(name)[0])}


async def calls_of(operation: Operation, here: Halfway) -> set[str]:
    """The commands that an operation calls; it is carried out. To refuse another changes nothing."""
    await here.driver.redis.config_resetstat()
    await operation()
    return {name.removeprefix("cmdstat_") for name in await here.driver.redis.info("commandstats")}


class Past:
    """A history, to be compared with a ledger."""

    def __init__(self, url: str) -> None:
        self.history = History.connect(parse(url))
        self._database = open_database(parse(url))

    async def empty(self) -> None:
        """Forget everything but how far outboxes were recorded."""
        names = [table for table in tables.metadata.sorted_tables if table not in (tables.place, tables.about)]
        await self._database.write(lambda connection: [connection.execute(delete(table)) for table in names] and None)

    async def differences(self, here: Halfway) -> list[str]:
        """Record all that waits, as a worker does; then, in words, what history has otherwise than the ledger."""
        ledger = here.driver.ledger
        await record_all(ledger, self.history)
        await ledger.outbox.read_checked({0: await self.history.place(OUTBOX)}, 1)
        while await ledger.rewriting.step():
            await record_all(ledger, self.history)
        return differences(await rows_in(self._database), await rows_of_ledger(LedgerState(here.driver.redis)))

    async def close(self) -> None:
        """Close the connections."""
        await self.history.close()
        await self._database.close()


@pytest.fixture
async def past(tmp_path: Path) -> AsyncIterator[Past]:
    """An empty history."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    await make_tables(url)
    past = Past(url)
    yield past
    await past.close()


async def finish(here: Halfway) -> None:
    """Let workers do what is due: whatever was left leased is due again."""
    await here.lose_leases()
    for _ in range(MOST_ROUNDS):
        woken = await here.woken()
        for one in await here.driver.claim() if "refresh/default" in woken else ():
            await here.driver.commit(one, shown(one.record.imp_uid))
        for lane in (LANE, REPLAYED):
            for sent in await here.driver.take(lane) if str(lane) in woken else ():
                await here.driver.settle(sent)
        if not woken & {"refresh/default", str(LANE), str(REPLAYED)}:
            return
    raise AssertionError(f"still woken: {woken}")


@pytest.mark.parametrize("name", OPERATIONS)
async def test_history_says_what_the_ledger_says(halfway: Halfway, past: Past, name: str) -> None:
    """Whichever command is refused while the operation is made for the first time."""
    scripts, prepare = OPERATIONS[name]
    commands = commands_of(scripts) & await calls_of(await prepare(halfway.driver), halfway)
    assert commands
    found: list[str] = []
    for command in sorted(commands | {UNCALLED}):
        await halfway.begin_again()
        await past.empty()
        operation = await prepare(halfway.driver)
        with halfway.without(command), suppress(Conflict, NotFound):
            await is_done(operation())
        with suppress(Conflict, NotFound):
            await operation()
        await finish(halfway)
        found += [f"without {command}: {difference}" for difference in await past.differences(halfway)]
    assert not found, "\n".join(found)
