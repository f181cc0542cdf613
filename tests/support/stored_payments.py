"""Rows of payments as a ledger stores them, past its methods: records, and notifications that wait or were settled.

Takes any client of redis-py, also one that decodes answers: packed bytes are read as they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from itertools import chain
from typing import Any

from redis.client import NEVER_DECODE

from ledger.keys import OUTBOX
from ledger.waiting import unpack_settled, unpack_stored
from schemas import wire
from schemas.compression import compress, decompress
from schemas.outbox.codec import unpack
from schemas.outbox.entries import Notification
from tests.support import stored_rows
from tests.support.ledger_redis import in_all_cells

_ITEMS = 'return redis.call("XRANGE", KEYS[1], "-", "+")'


async def rows(client: Any) -> AsyncIterator[tuple[str, Mapping[bytes, bytes]]]:
    """The rows of all payments, by `merchant/imp_uid`."""
    async for name, row in stored_rows.hashes(client, "pay", "*"):
        yield name.removeprefix("pay:"), row


async def records(client: Any) -> dict[str, dict[str, str]]:
    """The fields of all records."""
    return {name: fields_of(row) async for name, row in rows(client) if b"head" in row}


def fields_of(row: Mapping[bytes, bytes]) -> dict[str, str]:
    """The fields of a row's record, and of its head."""
    kept: dict[str, str] = wire.loads(decompress(row[b"record"]))["fields"]
    _, first_at, fetched_at, *_ = row[b"head"].decode().split(" ")
    return {**kept, "first_at": first_at, "fetched_at": fetched_at}


async def change(client: Any, payment: str, **fields: str) -> None:
    """Store other values in some fields of a record."""
    (name,) = [name async for name in client.scan_iter(in_all_cells("pay", payment), count=1000)]
    kept = wire.loads(decompress(await client.execute_command("HGET", name, "record", **{NEVER_DECODE: True})))
    await client.hset(name, "record", compress(wire.dumps({**kept, "fields": {**kept["fields"], **fields}})))


async def facts(client: Any, payment: str) -> int:
    """How many facts the record of a payment has."""
    packed = [row[b"record"] async for name, row in rows(client) if name == payment and b"record" in row]
    return len(wire.loads(decompress(packed[0]))["facts"]) if packed else 0


async def waiting(client: Any) -> dict[str, tuple[Notification, str]]:
    """All notifications that wait for a refresh, each with why it has to, or "", the oldest first."""
    found = [
        (unpack_stored(value), row.get(b"trouble", b"").decode())
        async for _, row in rows(client)
        for name, value in row.items()
        if name.startswith(b"n:")
    ]
    found.sort(key=lambda one: (one[0].received_at, one[0].id))
    return {one.id: (one, trouble) for one, trouble in found}


async def kept(client: Any) -> dict[str, str]:
    """The outcome of all notifications that the ledger holds, those that wait and those that are settled."""
    fields = [field async for _, row in rows(client) for field in row.items()]
    settled = {name.decode()[2:]: unpack_settled(value).outcome for name, value in fields if name.startswith(b"s:")}
    return settled | {name.decode()[2:]: "pending" for name, _ in fields if name.startswith(b"n:")}


async def settled(client: Any) -> dict[str, Notification]:
    """Notifications that were settled since the outbox was last trimmed, as history would have them."""
    found: dict[str, Notification] = {}
    names = [name async for name in client.scan_iter(in_all_cells(OUTBOX()), count=1000)]
    # In a script, because redis-py makes a dict of an item, which has many fields of one name.
    some = [await client.execute_command("EVAL", _ITEMS, 1, name, **{NEVER_DECODE: True}) for name in names]
    entries: list[tuple[bytes, bytes]] = []
    for _, item in chain.from_iterable(some):
        for name, value in zip(item[::2], item[1::2], strict=True):
            entries.append((value, b"") if name == b"e" else (entries.pop()[0], value))
    for one in (unpack(*entry) for entry in entries):
        if isinstance(one, Notification) and one.outcome != "pending":
            found.setdefault(one.id, one)
    return found


async def outcomes(client: Any) -> dict[str, str]:
    """What became of all notifications that wait or were settled since the outbox was last trimmed."""
    return {name: one.outcome for name, one in (await settled(client)).items()} | dict.fromkeys(
        await waiting(client), "pending"
    )
