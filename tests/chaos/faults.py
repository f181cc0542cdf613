"""What is broken, by name. Each fault breaks something, waits, mends it, and returns when it is mended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import redis.asyncio

from tests.chaos.history_faults import HISTORY_FAULTS, RESTORING
from tests.chaos.house import ENDPOINTS, House
from tests.chaos.load import Load

Fault = Callable[[House], Awaitable[None]]

RECOVERS_WITHIN = 60.0


async def kill_receiver(house: House) -> None:
    """SIGKILL; its supervisor starts it again."""
    number = house.rng.randrange(2)
    await house.receivers[number].kill()
    await asyncio.sleep(house.rng.uniform(0, 1))
    house.receivers[number] = house.start_receiver(number)
    await house.receivers[number].ready(f"http://127.0.0.1:{house.ports[number]}/readyz")


async def kill_worker(house: House) -> None:
    """SIGKILL; its supervisor starts it again."""
    number = house.rng.randrange(2)
    await house.workers[number].kill()
    house.workers[number] = house.start_worker(number)
    await house.workers[number].logged("worker_ready")


async def stop_worker(house: House) -> None:
    """SIGTERM, as a deploy does; the new one is there when the old one has ended."""
    number = house.rng.randrange(2)
    assert await house.workers[number].terminate() == 0
    house.workers[number] = house.start_worker(number)
    await house.workers[number].logged("worker_ready")


async def kill_redis(house: House) -> None:
    """SIGKILL; it comes back with its append-only file."""
    await asyncio.to_thread(house.redis.kill)
    await asyncio.sleep(house.rng.uniform(0.5, 3))
    await asyncio.to_thread(house.redis.start)


async def pause_receiver(house: House) -> None:
    """SIGSTOP, then SIGCONT: webhooks wait and go to the other receiver."""
    process = house.rng.choice(house.receivers)
    process.signal(signal.SIGSTOP)
    await asyncio.sleep(house.rng.uniform(1, 4))
    process.signal(signal.SIGCONT)


async def pause_worker(house: House) -> None:
    """SIGSTOP for longer than a lease: it wakes up with work in its hands that is somebody else's now."""
    process = house.rng.choice(house.workers)
    process.signal(signal.SIGSTOP)
    await asyncio.sleep(house.rng.uniform(11, 13))
    process.signal(signal.SIGCONT)


async def pause_redis(house: House) -> None:
    """SIGSTOP for longer than anybody waits for an answer."""
    house.redis.pause()
    await asyncio.sleep(house.rng.uniform(2.5, 5))
    house.redis.resume()


async def fill_redis(house: House) -> None:
    """No memory is left; then there is room again."""
    client = house.directly()
    try:
        used = (await client.info("memory"))["used_memory"]
        await client.config_set("maxmemory", max(1_000_000, int(used * house.rng.uniform(0.5, 1.02))))
        await asyncio.sleep(house.rng.uniform(2, 5))
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()


def _cutting(name: str) -> Fault:
    async def cut(house: House) -> None:
        house.ways[name].cut()
        await asyncio.sleep(house.rng.uniform(1, 4))
        house.ways[name].mend()

    cut.__doc__ = f"Every connection of {name} breaks, and none comes about for a while."
    return cut


def _delaying(name: str, seconds: float) -> Fault:
    async def delay(house: House) -> None:
        house.ways[name].delay = seconds
        await asyncio.sleep(house.rng.uniform(2, 4))
        house.ways[name].delay = 0

    return delay


async def cut_worker_off(house: House) -> None:
    """One worker loses Redis for longer than its leases last, while i'mport and subscribers still hear it."""
    way = house.ways[f"worker-{house.rng.randrange(2)}"]
    way.cut()
    await asyncio.sleep(house.rng.uniform(11, 14))
    way.mend()


async def break_iamport(house: House) -> None:
    """Every request is answered with 500 or 503."""
    house.iamport.trouble.share, house.iamport.trouble.status = 1, house.rng.choice((500, 503))
    await asyncio.sleep(house.rng.uniform(2, 4))
    house.iamport.trouble.heal()


async def hang_iamport(house: House) -> None:
    """Answers take seconds."""
    house.iamport.trouble.seconds = 3
    await asyncio.sleep(house.rng.uniform(2, 4))
    house.iamport.trouble.heal()


async def break_subscriber(house: House) -> None:
    """Half of the callbacks, or all of them, are answered with an error."""
    house.subscriber.trouble.share, house.subscriber.trouble.status = house.rng.choice((0.5, 1)), 500
    await asyncio.sleep(house.rng.uniform(1, 3))
    house.subscriber.trouble.heal()


async def hang_subscriber(house: House) -> None:
    """Answers take longer than an attempt may."""
    house.subscriber.trouble.seconds = 4
    await asyncio.sleep(house.rng.uniform(1, 3))
    house.subscriber.trouble.heal()


async def answer_errors(house: House) -> None:
    """A share of what anybody asks of Redis is answered with an error, of kinds that nobody expects, too."""
    ways = [house.redis_ways[name] for name in ("receivers", "worker-0", "worker-1")]
    for way in ways:
        way.refuse_share(house.rng.choice((0.05, 0.5, 1)))
    await asyncio.sleep(house.rng.uniform(2, 5))
    for way in ways:
        way.heal()


def _shifting(seconds: int) -> Fault:
    async def shift(house: House) -> None:
        ways = [way for name, way in house.redis_ways.items() if name != "queue"]
        for way in ways:
            way.shift = seconds
        await asyncio.sleep(house.rng.uniform(2, 4))
        for way in ways:
            way.heal()

    shift.__doc__ = f"Redis' clock is {seconds} seconds off, then right again."
    return shift


WRITES = tuple(
    [f"-{name}"]
    for name in ("zadd", "zrem", "sadd", "hset", "hsetnx", "hdel", "hincrby", "incr", "del", "set", "xadd", "xtrim")
)
"""Rules that forbid one command: then a script ends in the middle, and what it wrote before that stays."""


async def take_rights_away(house: House) -> None:
    """The relay's user may run no script, read no key, not use one command that scripts write with, or do nothing at
    all; then it may again."""
    await _as_administrator(house, "ACL", "SETUSER", "administrator", "on", "nopass", "~*", "&*", "+@all")
    client = redis.asyncio.Redis(port=house.redis.port, username="administrator", password="any", socket_timeout=5)
    try:
        taken = house.rng.choice((["-@scripting"], ["resetkeys", "~nothing*"], ["-info"], ["-@all"], *WRITES))
        await client.execute_command("ACL", "SETUSER", "default", *taken)
        await asyncio.sleep(house.rng.uniform(2, 5))
    finally:
        await client.execute_command("ACL", "SETUSER", "default", "~*", "+@all")
        await client.aclose()


async def _as_administrator(house: House, *command: str) -> None:
    client = house.directly()
    await client.execute_command(*command)
    await client.aclose()


async def refuse_queue(house: House) -> None:
    """Every command to the queue is refused, as where its database does not exist; the ledger is well."""
    way = house.redis_ways["queue"]
    way.refuse_share(1, ("ERR DB index is out of range", "NOPERM this user has no permissions to run it"))
    await asyncio.sleep(house.rng.uniform(2, 5))
    way.heal()


async def confuse_iamport(house: House) -> None:
    """It answers with other payments than those that it is asked for."""
    house.iamport.confused = True
    await asyncio.sleep(house.rng.uniform(2, 4))
    house.iamport.confused = False


NONSENSE = (
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    b"HTTP/9.9 nonsense\r\n\r\n",
    b"HTTP/1.1 99999 Many\r\n\r\n",
    b"HTTP/1.1 500 \xff\xfe\r\nx\r\n: \r\n\r\n",
    b"<html>502 Bad Gateway</html>",
    b"SSH-2.0-OpenSSH_9.2\r\n",
)


async def talk_nonsense(house: House) -> None:
    """Subscribers answer with what is no HTTP, or with nothing."""
    way = house.ways["subscriber"]
    way.nonsense = house.rng.choice(NONSENSE)
    await asyncio.sleep(house.rng.uniform(1, 3))
    way.nonsense = None


FAULTS: dict[str, Fault] = {
    "receiver killed": kill_receiver,
    "receiver paused": pause_receiver,
    "receivers cut off Redis": _cutting("receivers"),
    "receivers' Redis slow": _delaying("receivers", 0.4),
    "worker killed": kill_worker,
    "worker ended (SIGTERM)": stop_worker,
    "worker paused beyond its leases": pause_worker,
    "worker cut off Redis": cut_worker_off,
    "worker's Redis slow": _delaying("worker-0", 0.1),
    "Redis killed": kill_redis,
    "Redis paused": pause_redis,
    "Redis full": fill_redis,
    "i'mport failing": break_iamport,
    "i'mport hanging": hang_iamport,
    "i'mport cut off": _cutting("iamport"),
    "subscriber failing": break_subscriber,
    "subscriber hanging": hang_subscriber,
    "subscriber cut off": _cutting("subscriber"),
    "Redis answering errors": answer_errors,
    "Redis' clock a minute back": _shifting(-60),
    "Redis' clock a minute ahead": _shifting(60),
    "rights taken away": take_rights_away,
    "queue refused": refuse_queue,
    "i'mport answering other payments": confuse_iamport,
    "subscriber talking nonsense": talk_nonsense,
    **HISTORY_FAULTS,
    **RESTORING,
}


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault, when it began and was mended, by the steady clock, and in how many seconds history had everything."""

    name: str
    began: float
    mended: float
    recorded_in: float


async def inject(house: House, load: Load, faults: Sequence[tuple[str, Fault]], pause: float) -> list[Injected]:
    """Break these one after the other under load. In between nothing is posted until what the fault held up was told,
    so how long that takes is a matter of one fault alone."""
    injected: list[Injected] = []
    for name, fault in faults:
        await asyncio.sleep(pause)
        began = time.monotonic()
        await fault(house)
        mended = time.monotonic()
        load.hold()
        recorded_in, _ = await asyncio.gather(_recorded(house, mended), _recovered(house, load, mended))
        injected.append(Injected(name, began, mended, recorded_in))
        load.go_on()
    return injected


async def _recorded(house: House, mended: float) -> float:
    """Wait until history has everything; how many seconds after this time that was."""
    with suppress(AssertionError):  # the accounts will say how long it took
        await house.recorded(RECOVERS_WITHIN)
    return time.monotonic() - mended


async def _recovered(house: House, load: Load, mended: float) -> None:
    """Wait until all that was accepted before this time was told; not for ever, the accounts will say how long."""
    took, until = house.subscriber.took, mended + RECOVERS_WITHIN
    waiting = {(imp_uid, step) for imp_uid, step, at in load.accepted.values() if step and at <= mended}
    while waiting and time.monotonic() < until:
        waiting = {(imp_uid, step) for imp_uid, step in waiting if took(ENDPOINTS[0], imp_uid, step) is None}
        await asyncio.sleep(0.2)
