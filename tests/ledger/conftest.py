"""What the ledger's tests share: a ledger on an empty, durable Redis; what a test leaves behind is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ledger import Ledger, lua
from tests.support.histories import history_in
from tests.support.ledger_driver import Driver, queue_url
from tests.support.ledger_invariants import problems
from tests.support.ledger_replaying import ReplayDriver

_WATCH = """local put_off
local unwatched = redis
local redis = setmetatable({call = function(...)
  local command, key = ...
  if put_off and key and put_off[key] then error(command .. " of a list that this script has changed: " .. key) end
  return unwatched.call(...)
end}, {__index = unwatched})
"""


@pytest.fixture(scope="package", autouse=True)
def watched_scripts() -> Iterator[None]:
    """A script that touches a list that it has put off breaks down: it would not see its own change."""
    part, run = lua._part, lua._RUN
    watched_run = run.replace(
        "local done, answer = pcall(run)", "put_off = listed\nlocal done, answer = pcall(run)\nput_off = nil"
    )
    assert watched_run != run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lua, "_part", lambda name: (_WATCH if name == "base" else "") + part(name))
        patch.setattr(lua, "_RUN", watched_run)
        lua.script.cache_clear()
        yield
    lua.script.cache_clear()


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    """An empty ledger; what it leaves behind must be in order."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    yield ledger
    assert await problems(ledger) == []
    await ledger.close()


@pytest.fixture
async def replays(ledger: Ledger, tmp_path: Path) -> AsyncIterator[ReplayDriver]:
    """That ledger's replays, beside a history of its own."""
    async with history_in(tmp_path) as history:
        yield ReplayDriver(ledger, history)


@pytest.fixture
def driver(ledger: Ledger) -> Driver:
    """Short ways of doing to that ledger what receivers and workers do."""
    return Driver(ledger)
