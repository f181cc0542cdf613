"""Where the cost of a payment in Redis comes from: commands (those inside scripts included), CPU, and memory once it is
settled.

Unlike `bench.redis_cost` it drives a ledger by itself, so that its figures are steady on a busy machine: a payment's
whole way, in the batches that receivers and workers make under load: accepted, claimed, committed, one
callback claimed and settled, recorded. ``python -m bench.redis_batches [PAYMENTS]`` prints the figures and where they
come from.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from bench.machine import Machine
from bench.payment import ROW
from ledger import Ledger
from ledger.endpoint_rows import dump_places
from ledger.keys import ENDPOINT, OPEN, SHARED_PREFIX, Lane, cell_prefix
from schemas import wire
from schemas.endpoints.delivery import Attempt, Delivered
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.places import Places
from schemas.payments.decide import Policy, decide
from schemas.payments.notification import Notification
from schemas.payments.snapshot import Snapshot

WEBHOOKS, LOOKUPS, CALLBACKS = 32, 100, 64
"""How many go together: what a receiver accepts in one turn, a look-up, what an endpoint takes at once."""
_WARM = 200
"""Payments before those that are measured: scripts are loaded, dictionaries have grown."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one payment: calls of each command, µs of Redis' time in scripts, µs of CPU of the whole process, and bytes by
    kind of key while it is settled and still in the ledger."""

    calls: Mapping[str, float]
    script_us: float
    cpu_us: float
    bytes: Mapping[str, float]

    @property
    def commands(self) -> float:
        """Commands, the scripts' own included."""
        return sum(self.calls.values())


async def measure(machine: Machine, payments: int) -> Cost:
    """Send so many payments through an empty ledger."""
    ledger = Ledger.connect(machine.redis_url, machine.queue_url)
    async with Redis.from_url(machine.redis_url) as redis:
        await redis.mset({prefix + OPEN(): "1" for prefix in (SHARED_PREFIX, _PREFIX)})
        await ledger.endpoints.create(_ENDPOINT)
        # An endpoint that has answered well for a while.
        await redis.hset(_PREFIX + ENDPOINT(_ENDPOINT.id), "places", dump_places(Places(float(CALLBACKS))))
        for names in _batches(_names(0, _WARM), LOOKUPS):
            await _whole_way(ledger, names)
        await redis.config_resetstat()
        cpu = machine.redis_cpu()
        for names in _batches(_names(_WARM, _WARM + payments), LOOKUPS):
            await _whole_way(ledger, names)
        cpu = machine.redis_cpu() - cpu
        stats: Mapping[str, Any] = await redis.info("commandstats")
        sizes = await _sizes(redis)
    await ledger.close()
    return Cost(
        {name.removeprefix("cmdstat_"): row["calls"] / payments for name, row in stats.items()},
        sum(row["usec"] for name, row in stats.items() if name == "cmdstat_evalsha") / payments,
        1e6 * cpu / payments,
        {kind: size / (_WARM + payments) for kind, size in sizes.items()},
    )


_ENDPOINT = Endpoint(
    id="ep_m7kvpwuxarswm3udbe56", merchant="default", url="https://shop.example/hook", types=("payment.*",),
    description="", ordered=True, max_in_flight=CALLBACKS, rate_limit=None, headers="", payload="full", secrets=(),
)  # fmt: skip
_PREFIX = cell_prefix(0)
_LANE = Lane("deliver", _ENDPOINT.id)
_OK = Attempt(at=0.0, status_code=200, duration_ms=7, error=None, response="ok", replay=False)


def _names(first: int, end: int) -> list[str]:
    return [f"imp_{number:012d}" for number in range(first, end)]


def _batches(names: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    return (names[start : start + most] for start in range(0, len(names), most))


async def _whole_way(ledger: Ledger, names: Sequence[str]) -> None:
    for some in _batches(names, WEBHOOKS):
        await asyncio.gather(*(ledger.intake.accept(_webhook(name)) for name in some))
    claimed = await ledger.refresh_lane.claim(Lane("refresh", "default"), LOOKUPS)
    now = int(time.time())
    changes = [
        decide(one.record, _looked_up(one.record.imp_uid, now), now, Policy(), one.reported_cancellations)
        for one in claimed.payments
    ]
    commits = zip(changes, claimed.payments, strict=True)
    await asyncio.gather(*(ledger.refresh_lane.commit(change, claimed=one, now=now) for change, one in commits))
    while deliveries := (await ledger.delivery_lane.claim(_LANE, LOOKUPS)).deliveries:
        answered = [replace(_OK, at=time.time()) for _ in deliveries]
        await asyncio.gather(
            *(
                ledger.delivery_lane.settle(one.lease, Delivered(), [attempt])
                for one, attempt in zip(deliveries, answered, strict=True)
            )
        )
    await ledger.outbox.trim_all({0: (await ledger.outbox.state_of(0)).last})


def _webhook(name: str) -> Notification:
    return Notification(
        id=f"ntf_{name[4:]:>026}", merchant="default", imp_uid=name, merchant_uid=f"order_{name}", status="paid",
        cancellation_id=None, source="52.78.100.19", verified=True, received_at=None, extra=b"", token_hash=None,
    )  # fmt: skip


def _looked_up(name: str, now: int) -> Snapshot:
    return Snapshot.parse(wire.loads(ROW % {b"imp_uid": name.encode(), b"now": now}))


async def _sizes(redis: Any) -> dict[str, float]:
    """The bytes of all keys, by kind."""
    sizes: dict[str, float] = {}
    async for name in redis.scan_iter(f"{_PREFIX}*", count=1000):
        kind = name.decode().removeprefix(_PREFIX).partition(":")[0]
        sizes[kind] = sizes.get(kind, 0) + (await redis.memory_usage(name, samples=0) or 0)
    return sizes


def main() -> None:
    """Measure once, and show the parts."""
    with Machine() as machine:
        cost = asyncio.run(measure(machine, int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
    print(
        f"{cost.commands:.1f} commands, {cost.script_us:.0f} µs in scripts, {cost.cpu_us:.0f} µs CPU,"
        f" {sum(cost.bytes.values()):.0f} bytes"
    )
    for title, parts in (("commands", cost.calls), ("bytes", cost.bytes)):
        shown = sorted(((n, name) for name, n in parts.items() if n >= 0.05), reverse=True)
        print(title + ":", ", ".join(f"{name} {n:.2f}" for n, name in shown))


if __name__ == "__main__":
    main()
