"""Pages open as fast with many events as with few: the work they ask of Redis does not grow with the ledger."""

from __future__ import annotations

from tests.console.conftest import Console
from tests.console.web.conftest import Reader
from tests.console.web.scene import Scene, set_up
from tests.support.ledger_redis import redis_of

_FEW, _MANY = 1_000, 50_000
_STEP = 5_000
_NOTHING = 40
"""Calls by which two visits differ anyway: a binary search, a token looked for."""

_SEED = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local event, at = string.format("evt_%032d", i), 1700000000000 + i
  redis.call("HSET", KEYS[1] .. "events", event, " default/imp_old")
  redis.call("ZADD", KEYS[1] .. "evts:t:endpoint.test", at, event)
  for _, index in ipairs({"dlvs:s:" .. ARGV[3] .. "/pending", "dlvs:s:" .. ARGV[3] .. "/dead"}) do
    redis.call("ZADD", KEYS[1] .. index, at, event .. "." .. ARGV[3])
  end
end
"""


async def test_the_work_of_a_page_does_not_grow(reader: Reader, console: Console) -> None:
    """With fifty times as many events and deliveries, every page makes Redis do the same number of things."""
    scene = await set_up(console)
    pages = [*scene.pages, "/events?type=payment.paid", "/events?type=payment.paid&merchant=default",
             "/deliveries?state=delivered", f"/deliveries?endpoint={scene.well}"]  # fmt: skip
    await _fill(console, scene, 0, _FEW)
    few = {path: await _calls(reader, console, path) for path in pages}
    await _fill(console, scene, _FEW, _MANY)
    many = {path: await _calls(reader, console, path) for path in pages}
    grown = {path: (few[path], many[path]) for path in pages if many[path] > few[path] + _NOTHING}
    assert grown == {}


async def _fill(console: Console, scene: Scene, since: int, until: int) -> None:
    for start in range(since, until, _STEP):
        end = min(start + _STEP, until)
        await redis_of(console.ledger).eval(_SEED, 1, "{relay:00}:", start, end, scene.well)


async def _calls(reader: Reader, console: Console, path: str) -> int:
    """How many commands Redis carries out while a page is made, those of scripts included."""
    before = await _count(console)
    assert (await reader.open(path)).status_code == 200
    return await _count(console) - before


async def _count(console: Console) -> int:
    stats = await redis_of(console.ledger).info("commandstats")
    return sum(int(one["calls"]) for one in stats.values())
