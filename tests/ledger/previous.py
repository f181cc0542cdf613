"""A ledger as an earlier version left it: ``python -m tests.ledger.previous FILE`` writes one with today's code.

The file is JSON: every key with its type and value (bytes as Latin-1 text). One is kept for every version of the stored
shapes that is still read, made before the shapes changed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from ledger import Ledger
from runtime.encryption import Sealer
from tests.conftest import _free_port
from tests.support.ledger_driver import Driver, paid, queue_url
from tests.support.ledger_redis import key, without_prefix
from tests.support.redis_process import RedisServer

KEY = "cHJldmlvdXMtdmVyc2lvbnMtb3duLWtleS0wMTIzNDU="
FOLDER = Path(__file__).parent / "data"


async def live(driver: Driver) -> None:
    """A bit of everything: payments in each state, deliveries delivered, dead, leased and due, an unknown payment, a
    lease that nobody will settle, a replay's and a reconciliation's traces."""
    await driver.ledger.begin(Sealer([KEY]))
    lane = await driver.subscribe()
    await driver.look(paid("imp_paid"))
    await driver.settle(await driver.take_one(lane))
    await driver.look(paid("imp_part", 300))
    first = await driver.take_one(lane)
    await driver.fail(first, 3600)
    await driver.look(paid("imp_dead"))
    await driver.bury(await driver.take_one(lane))
    await driver.look(paid("imp_leased"))
    await driver.take_one(lane)
    await driver.accept("imp_unknown")
    claimed = await driver.claim_one()
    await driver.ledger.refresh_lane.postpone(claimed, "unknown", due_in=3600, tries=1)
    await driver.accept("imp_claimed", status="cancelled", cancellation_id="c9")
    await driver.claim_one()
    await driver.accept("imp_due")
    await driver.ledger.merchants.put("shop", imp_key="sealed", imp_secret="sealed", token_hash="0" * 64)


async def dump(driver: Driver) -> dict[str, Any]:
    """Every key of the ledger."""
    keys: dict[str, Any] = {}
    async for name in driver.redis.scan_iter("{relay*"):
        if b":kicked:" in name:
            continue
        kind = (await driver.redis.type(name)).decode()
        match kind:
            case "stream":
                continue  # what is on its way to history
            case "string":
                value: Any = (await driver.redis.get(name)).decode("latin-1")
            case "hash":
                value = {
                    k.decode("latin-1"): v.decode("latin-1") for k, v in (await driver.redis.hgetall(name)).items()
                }
            case "list":
                value = [v.decode("latin-1") for v in await driver.redis.lrange(name, 0, -1)]
            case "set":
                value = sorted([v.decode("latin-1") for v in await driver.redis.smembers(name)])
            case "stream":
                value = [
                    [entry.decode(), *(part.decode("latin-1") for pair in fields.items() for part in pair)]
                    for entry, fields in await driver.redis.xrange(name)
                ]
            case _:
                value = [[v.decode("latin-1"), s] for v, s in await driver.redis.zrange(name, 0, -1, withscores=True)]
        keys[name.decode()] = [kind, value]
    return keys


async def load(driver: Driver, keys: dict[str, Any]) -> None:
    """Put such keys into an empty Redis."""
    redis = driver.redis
    for old_name, (kind, value) in keys.items():
        name = key(without_prefix(old_name))
        match kind:
            case "string":
                await redis.set(name, value.encode("latin-1"))
            case "hash":
                await redis.hset(name, mapping={k.encode("latin-1"): v.encode("latin-1") for k, v in value.items()})
            case "list":
                await redis.rpush(name, *(v.encode("latin-1") for v in value))
            case "set":
                await redis.sadd(name, *(v.encode("latin-1") for v in value))
            case "stream":
                for entry, *parts in value:
                    await redis.execute_command("XADD", name, entry, *(part.encode("latin-1") for part in parts))
            case _:
                await redis.zadd(name, {v.encode("latin-1"): s for v, s in value})


async def made() -> str:
    """The file of today's version."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(_free_port(), Path(folder))
        server.start()
        try:
            ledger = Ledger.connect(server.url, queue_url(server.url))
            driver = Driver(ledger)
            await live(driver)
            keys = await dump(driver)
            await ledger.close()
            return json.dumps(keys, indent=1, sort_keys=True) + "\n"
        finally:
            server.kill()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(asyncio.run(made()))
