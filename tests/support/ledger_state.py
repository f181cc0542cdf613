"""What tests read of a ledger, or put into it, past its methods: outside `tests/ledger` only this file knows keys."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import redis.asyncio

from schemas import wire
from tests.support import ledger_redis, stored_payments, stored_rows
from tests.support.ledger_redis import CELLS, without_prefix

Row = dict[str, str]


class LedgerState:
    """A ledger, seen from below. ``redis`` is a client of its database that decodes answers. Where a method is given no
    merchant, it is `default`."""

    def __init__(self, client: redis.asyncio.Redis, cells: int = CELLS) -> None:
        self.redis: Any = client
        self._cells = cells

    async def leased_lanes(self) -> list[str]:
        """The lanes in which something is leased."""
        return await self._named("leased:")

    async def due_lanes(self) -> list[str]:
        """The lanes in which something waits."""
        return await self._named("due:")

    async def waiting(self, lane: str, before: float) -> int:
        """How many members of a lane are leased, or due before a time in UNIX seconds."""
        due = await self.redis.zcount(self._key("due", lane), "-inf", int(before * 1000))
        return int(due + await self.redis.zcard(self._key("leased", lane)))

    async def notifications(self) -> list[str]:
        """The ids of all notifications that wait for a refresh, oldest first."""
        return list(await stored_payments.waiting(self.redis))

    async def notification(self, identity: str) -> Row:
        """One of these; empty where there is none."""
        found = (await stored_payments.waiting(self.redis)).get(identity)
        if found is None:
            return {}
        fields = {name: "" if value is None else str(value) for name, value in asdict(found[0]).items()}
        return {**fields, "verified": str(int(found[0].verified)), "trouble": found[1]}

    async def notified(self) -> Counter[str]:
        """How many notifications of each payment wait for a refresh."""
        return Counter(one.imp_uid for one, _ in (await stored_payments.waiting(self.redis)).values())

    async def pending(self, endpoint: str | None = None) -> int:
        """How many notifications, or deliveries to an endpoint, are not settled."""
        if endpoint is None:
            return len(await stored_payments.waiting(self.redis))
        return int(await self.redis.zcard(self._key("dlvs", "s", f"{endpoint}/pending")))

    async def deliveries(self, endpoint: str) -> dict[tuple[str, int], str]:
        """The state of each delivery to an endpoint, by imp_uid and sequence."""
        rows = [row for row in (await self.rows("dlv")).values() if row["endpoint"] == endpoint]
        return {(row["imp_uid"], int(row["sequence"])): row["state"] for row in rows if row["state"] != "discarded"}

    async def events(self) -> int:
        """How many events are recorded."""
        return len(await self.rows("evt"))

    async def rows(self, kind: str) -> dict[str, Row]:
        """All events (`evt`) or deliveries (`dlv`), taken out of their rows."""
        return await stored_rows.read(self.redis, kind)

    async def payment(self, imp_uid: str, merchant: str = "default") -> Row:
        """The record of a payment; empty where there is none."""
        return (await stored_payments.records(self.redis)).get(f"{merchant}/{imp_uid}", {})

    async def sequence(self, imp_uid: str, merchant: str = "default") -> int:
        """The sequence that a payment's events have come to."""
        return int((await self.payment(imp_uid, merchant)).get("sequence", 0))

    async def age_request(self, imp_uid: str, seconds: int) -> None:
        """Move a payment's only cancellation request so far into the past."""
        (request,) = wire.loads((await self.payment(imp_uid))["requests"])
        request["requested_at"] -= seconds
        await stored_payments.change(self.redis, f"default/{imp_uid}", requests=wire.dumps([request]).decode())

    async def age_heartbeat(self, worker: str, seconds: int) -> None:
        """Move a worker's last heartbeat so far into the past."""
        when, _, row = (await self.redis.hget(self._key("workers"), worker)).partition(":")
        await self.redis.hset(self._key("workers"), worker, f"{int(when) - seconds * 1000}:{row}")

    async def put_merchant(self, name: str, token: str | None = None) -> None:
        """Make a merchant, or change its webhook token, as the console does."""
        token_hash = hashlib.sha256(token.encode()).hexdigest() if token else ""
        await self.redis.zadd(self._key("merchants", merchant=name), {name: 1})
        await self.redis.hset(
            self._key("merchant", name, merchant=name), mapping={"created_at": "1", "token_hash": token_hash}
        )

    async def merchant(self, name: str) -> Row:
        """A merchant as it is stored; empty where there is none."""
        return dict(await self.redis.hgetall(self._key("merchant", name, merchant=name)))

    async def endpoint(self, identity: str) -> Row:
        """An endpoint as it is stored."""
        return dict(await self.redis.hgetall(self._key("endpoint", identity)))

    async def refusals(self) -> tuple[dict[str, int], dict[str, int]]:
        """How many webhooks were refused, by merchant and status, and by reason of a body."""
        rows = [await self.redis.hgetall(self._key(name)) for name in ("refusals", "refused_bodies")]
        by_status, by_reason = ({name: int(count) for name, count in row.items()} for row in rows)
        return by_status, by_reason

    async def spools(self) -> dict[str, str]:
        """What each receiver has said of its spool."""
        return dict(await self.redis.hgetall(self._key("spools")))

    async def report_spool(self, receiver: str, text: str) -> None:
        """Say something of a receiver's spool."""
        await self.redis.hset(self._key("spools"), receiver, text)

    async def iamport_tokens(self) -> list[str]:
        """i'mport's access tokens, as they are stored."""
        return [str(await self.redis.get(self._key("imp_token", name))) for name in await self._named("imp_token:")]

    async def naming(self, word: str) -> list[str]:
        """Every key that has this word in its name, without the prefix of all."""
        found = [name async for name in self.redis.scan_iter(match=f"*{word}*", count=1000)]
        return sorted(map(without_prefix, found))

    async def hashes(self, start: str, *fields: str) -> dict[str, list[Any]]:
        """These fields of every hash whose name begins so, by the rest of its name; none without the first field."""
        names = sorted([name async for name in self.redis.scan_iter(match=f"{{relay*}}:{start}*", count=1000)])
        rows = zip(names, await self._some(names, *fields), strict=True)
        return {without_prefix(name).removeprefix(start): row for name, row in rows if row[0] is not None}

    async def leader(self, what: str) -> str | None:
        """Which worker does something alone, e.g. `record`."""
        found: str | None = await self.redis.get(self._key("leader", what))
        return found

    async def value(self, name: str) -> str | None:
        """What a key holds that is one string, e.g. `recorded`."""
        found: str | None = await self.redis.get(self._key(name))
        return found

    async def begin_with(self, cells: int) -> None:
        """Note that the ledger was begun with so many cells."""
        await self.redis.set("{relay}:cells", cells)

    async def sweeps_at(self) -> float:
        """When the sweep means to look at some cell again, in UNIX seconds; 0 while it means to look at none."""
        return min([int(await self.redis.get(name)) / 1000 for name in await self._sweeps()], default=0)

    async def forget_sweep(self) -> None:
        """Let any worker sweep, beginning anew."""
        for name in (self._key("leader", "sweep"), *await self._sweeps()):
            await self.redis.delete(name)

    async def _sweeps(self) -> list[str]:
        return [name async for name in self.redis.scan_iter(match="{relay*}:sweep_at", count=1000)]

    async def is_rewriting(self) -> bool:
        """Whether workers are writing what the ledger holds to history again."""
        return bool(await self._named("rewriting") or await self._named("lacking"))

    async def lead(self, what: str, who: str, ms: int) -> None:
        """Let somebody do for so many milliseconds what one worker does alone."""
        await self.redis.set(self._key("leader", what), who, px=ms)

    async def make_due(self, lane: str, member: str) -> None:
        """Let a member of a lane of the first cell have been due for long."""
        await self.redis.zadd(ledger_redis.key("due", lane), {member: 1})

    async def due_at(self, lane: str, member: str) -> float | None:
        """When a member of a lane of the first cell is due, in ms; None where it does not wait."""
        at: float | None = await self.redis.zscore(ledger_redis.key("due", lane), member)
        return at

    async def append_entry(self, packed: bytes) -> str:
        """Append any bytes to the outbox of the first cell; the place of the entry."""
        place: str = await self.redis.xadd(ledger_redis.key("outbox"), {"e": packed})
        return place

    async def remove_entry(self, place: str) -> None:
        """Remove such an entry."""
        await self.redis.xdel(ledger_redis.key("outbox"), place)

    async def depose(self, what: str) -> None:
        """Let another worker do something that one does alone, though the one goes on with it."""
        await self.redis.delete(self._key("leader", what))

    async def _named(self, start: str) -> list[str]:
        found = [without_prefix(name) async for name in self.redis.scan_iter(match=f"{{relay*}}:{start}*", count=1000)]
        return sorted(name.removeprefix(start) for name in found)

    def _key(self, *parts: str, merchant: str = "default") -> str:
        return ledger_redis.key(*parts, cells=self._cells, merchant=merchant)

    async def _some(self, names: Sequence[str], *fields: str) -> list[list[Any]]:
        pipe = self.redis.pipeline(transaction=False)
        for name in names:
            pipe.hmget(name, *fields)
        return list(await pipe.execute())


@asynccontextmanager
async def ledger_state(redis_url: str) -> AsyncIterator[LedgerState]:
    """The ledger at this address, seen from below."""
    kind: Any = redis.asyncio.Redis
    if redis_url.startswith("redis+cluster://"):
        kind, redis_url = redis.asyncio.RedisCluster, redis_url.removeprefix("redis+cluster://").split(",")[0]
        redis_url = f"redis://{redis_url}"
    async with kind.from_url(redis_url, decode_responses=True) as client:
        yield LedgerState(client)
