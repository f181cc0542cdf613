"""The rows that scripts pack, taken apart: events, deliveries and objects as if each had a hash of its own.

Takes any client of redis-py, also one that decodes answers: packed bytes are read as they are.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import Any

import msgpack
from redis.client import NEVER_DECODE

from schemas.compression import decompress
from tests.support.ledger_redis import in_all_cells, without_prefix

Row = dict[str, str]


def _names(file: str, table: str) -> list[str]:
    text = (files("ledger") / "scripts" / "shared" / file).read_text()
    found = re.search(rf"^local {table} = {{(.*?)}}$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return re.findall(r'"(\w+)"', found[1])


_EVENT, _DELIVERY = _names("rows.lua", "EVENT"), _names("deliveries.lua", "DELIVERY")


async def read(client: Any, kind: str) -> dict[str, Row]:
    """All events (`evt`), deliveries (`dlv`) or objects (`snaps`, by payment), taken out of their rows."""
    found = await read_all(client)
    return {name.partition(":")[2]: row for name, row in found.items() if name.startswith(f"{kind}:")}


async def read_all(client: Any) -> dict[str, Row]:
    """All of them, each by its kind, a colon, and its name."""
    found: dict[str, Row] = {}
    index: dict[bytes, bytes] = {}
    async for _, row in hashes(client, "events"):
        index |= row
    for start in ("pay", "evt"):
        async for name, row in hashes(client, start, "*"):
            found |= taken_apart(name, row, index)
    return found


async def hashes(client: Any, *parts: str) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
    """All hashes whose name within their cell matches this, by that name."""
    async for found in client.scan_iter(in_all_cells(*parts), count=1000):
        name = found if isinstance(found, str) else found.decode()
        if row := await client.execute_command("HGETALL", name, **{NEVER_DECODE: True}):
            yield without_prefix(name), row


def taken_apart(name: str, row: Mapping[bytes, bytes], index: Mapping[bytes, bytes]) -> dict[str, Row]:
    """What a row, `pay:p` or `evt:id`, holds beside a record: `evt:id`, `dlv:id` (its attempts are in `log`, a line
    each) and `snaps:p`. ``index`` is the hash `events`."""
    found: dict[str, Row] = {}
    merchant, _, imp_uid = name.partition(":")[2].partition("/")
    for field, value in row.items():
        kind, _, identity = field.decode().partition(":")
        if kind == "e":
            event = _unpacked(_EVENT, value)
            snap = index.get(identity.encode(), b"").decode().partition(" ")[0] if imp_uid else ""
            event |= {"merchant": event.get("of", merchant), "imp_uid": imp_uid, **({"snap": snap} if snap else {})}
            found[f"evt:{identity}"] = event
        elif kind == "d":
            delivery = _unpacked(_DELIVERY, value)
            event_id, _, endpoint = identity.partition(".")
            delivery |= {"merchant": delivery.get("of", merchant), "imp_uid": imp_uid}
            found[f"dlv:{identity}"] = delivery | {"event": event_id, "endpoint": endpoint}
        elif kind == "o":
            stored = decompress(value).decode()
            found.setdefault(f"snaps:{merchant}/{imp_uid}", {})[identity] = stored
    return found


def changed(field: str, value: bytes, **fields: str | bytes) -> bytes:
    """What a row has in a field, ``e:id`` or ``d:id``, with other values of some of its parts."""
    names = _EVENT if field.startswith("e:") else _DELIVERY
    row = dict(zip(names, msgpack.unpackb(value, raw=True), strict=False)) | fields
    return packed(field, row)


def packed(field: str, row: Mapping[str, Any]) -> bytes:
    """A row as scripts pack it for a field, ``e:id`` or ``d:id``."""
    names = _EVENT if field.startswith("e:") else _DELIVERY
    packed_row: bytes = msgpack.packb([row.get(name, b"") for name in names], use_bin_type=False)
    return packed_row


def _unpacked(names: list[str], value: bytes) -> Row:
    values = zip(names, msgpack.unpackb(value, raw=True), strict=False)
    return {name: _text(one) for name, one in values if one != b""}


def _text(value: bytes | list[bytes]) -> str:
    return "\n".join(map(_text, value)) if isinstance(value, list) else decompress(value).decode()
