"""Everything that a Redis holds: to be put back as it was, and to be searched."""

from __future__ import annotations

from typing import Any


async def copy_of(client: Any) -> dict[bytes, bytes]:
    """Every key with its value as DUMP gives it, all of one moment; some expire before it."""
    names = sorted(await client.keys("*"))
    async with client.pipeline(transaction=True) as at_once:
        for name in names:
            at_once.dump(name)
        dumped = await at_once.execute()
    return {name: value for name, value in zip(names, dumped, strict=True) if value is not None}


async def readable(client: Any) -> bytes:
    """The name and the value of every key, as they were written."""
    readers = {
        b"string": client.get, b"hash": client.hgetall, b"list": lambda name: client.lrange(name, 0, -1),
        b"set": client.smembers, b"zset": lambda name: client.zrange(name, 0, -1), b"stream": client.xrange,
    }  # fmt: skip
    names = [name async for name in client.scan_iter("*")]
    kinds = [(name, await client.type(name)) for name in names]  # some expire meanwhile
    found = [name + repr(await readers[kind](name)).encode() for name, kind in kinds if kind != b"none"]
    return b"\n".join(found).decode("unicode_escape", "replace").encode("latin-1", "replace")
