"""An entry as bytes: MessagePack, which a Lua script can write and read as well (`cmsgpack`).

A worker packs `[version, kind, field, field …]`, in the order of the entry's fields. A script writes a map of fields by
name, with `v` and `kind`. Fields that only the script knows of an entry that a worker packed (the time, a sequence)
come as a second map, the stamp; they override the worker's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from operator import attrgetter, itemgetter
from typing import Any

import msgpack

from schemas.errors import UnknownEntry
from schemas.outbox import entries
from schemas.outbox.entries import Entry
from schemas.reasons import Reason

VERSION = 1

KINDS: Mapping[str, type[Entry]] = {
    "notification": entries.Notification,
    "payment": entries.Payment,
    "object": entries.SharedObject,
    "event": entries.Event,
    "delivery": entries.Delivery,
    "attempt": entries.Attempt,
    "endpoint": entries.Endpoint,
    "merchant": entries.Merchant,
    "order": entries.Order,
    "replay": entries.Replay,
    "reconciliation": entries.Reconciliation,
    "audit": entries.Audit,
    "erasure": entries.Erasure,
}
"""The name of each kind of entry in its bytes."""

_NAMES = {cls: tuple(one.name for one in fields(cls)) for cls in KINDS.values()}
_PLACES = {cls: {name: place for place, name in enumerate(names)} for cls, names in _NAMES.items()}
_DEFAULTS = {cls: {one.name: one.default for one in fields(cls) if one.default is not MISSING} for cls in _NAMES}
_VALUES = {cls: itemgetter(*names) for cls, names in _NAMES.items()}
_GETTERS = {cls: attrgetter(*names) for cls, names in _NAMES.items()}
_HEADS = {cls: (VERSION, kind) for kind, cls in KINDS.items()}
_BYTES = {cls: {one.name for one in fields(cls) if one.type == "bytes"} for cls in KINDS.values()}


def pack(entry: Entry) -> bytes:
    """The entry as bytes. Half a surrogate pair in a text, which UTF-8 cannot hold, becomes a question mark."""
    packed: bytes = msgpack.packb(_HEADS[type(entry)] + _GETTERS[type(entry)](entry), unicode_errors="replace")
    return packed


def unpack(packed: bytes, stamp: bytes = b"") -> Entry:
    """The entry in these bytes and their stamp, if there is one. Raises `UnknownEntry` as `unpack_values` does."""
    kind, values = unpack_values(packed, stamp)
    return kind(*values)


def unpack_values(packed: bytes, stamp: bytes = b"") -> tuple[type[Entry], tuple[Any, ...]]:
    """The class and the field values of an entry, without making the entry. That takes a third of the time, which
    matters when thousands are written into tables.

    Raises `UnknownEntry` for a kind or version that this process does not know, and for bytes that are no entry. A
    reader of the outbox has to stop there, because skipping the entry would lose it.
    """
    try:
        row = _unpacked(packed)
        return _stamped(row, stamp) if isinstance(row, tuple) else _by_name(dict(row), stamp)
    except KeyError as error:
        raise UnknownEntry(Reason.of("outbox_entry_unknown", what=repr(error.args[0])[:80])) from None
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise UnknownEntry(Reason.of("outbox_entry_unreadable", error=type(error).__name__)) from None


def _unpacked(packed: bytes) -> Any:
    """The value in these bytes. A script packs binary rows as text, because `cmsgpack` knows only one kind of string;
    surrogates preserve the bytes of such a row."""
    try:
        return msgpack.unpackb(packed, use_list=False)
    except UnicodeDecodeError:
        return msgpack.unpackb(packed, use_list=False, unicode_errors="surrogateescape")


def _stamped(row: tuple[Any, ...], stamp: bytes) -> tuple[type[Entry], tuple[Any, ...]]:
    """The class and the field values of an entry that a worker packed."""
    version, kind, *values = row
    cls = _known(version, kind)
    if len(values) != len(_NAMES[cls]):
        raise UnknownEntry(Reason.of("outbox_entry_unreadable", error=f"{kind}: {len(values)} ≠ {len(_NAMES[cls])}"))
    if stamp:
        places, packed_as_text = _PLACES[cls], _BYTES[cls]
        for name, value in dict(msgpack.unpackb(stamp)).items():
            values[places[name]] = _bytes(value) if name in packed_as_text else value
    return cls, tuple(values)


def _by_name(row: dict[str, Any], stamp: bytes) -> tuple[type[Entry], tuple[Any, ...]]:
    """The class and the field values of an entry that a script packed; fields that it left out have their default."""
    cls = _known(row.pop("v"), row.pop("kind"))
    named = {**_DEFAULTS[cls], **row, **(dict(msgpack.unpackb(stamp)) if stamp else {})}
    if len(named) != len(_NAMES[cls]):
        raise UnknownEntry(Reason.of("outbox_entry_unreadable", error=f"{cls.__name__}: {len(named)} fields"))
    for name in _BYTES[cls]:
        named[name] = _bytes(named[name])
    return cls, _VALUES[cls](named)


def _known(version: Any, kind: Any) -> type[Entry]:
    if version != VERSION:
        raise UnknownEntry(Reason.of("outbox_entry_of_other_version", version=repr(version)[:40], known=VERSION))
    return KINDS[kind]


def _bytes(value: Any) -> Any:
    """A field of bytes: scripts pack bytes as text, see `_unpacked`."""
    return value.encode(errors="surrogateescape") if isinstance(value, str) else value
