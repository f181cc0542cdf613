"""Reading stored rows. Keys are named without the prefix, as the kinds in `ledger.keys` name them.

Every error of Redis is raised as `LedgerUnavailable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.store import Argument, Store

Row = dict[str, bytes]


async def hashes(store: Store, names: Sequence[str], *fields: str) -> list[Row]:
    """The hashes of these keys, all fields or only those named; an empty one where there is no such key."""
    if not names:
        return []
    found = await store.run("read_hashes", len(fields), *fields, *names)
    return [paired(row) for row in found]


async def members(store: Store, name: str) -> list[str]:
    """All members of a sorted set that never grows long."""
    return [member.decode() for member in await store.run("read_members", name)]


async def newest(store: Store, name: str, most: int) -> list[str]:
    """The members of a sorted set with the highest scores, the highest first: at most `most`."""
    return [member.decode() for member in await store.run("read_newest", name, most)]


def paired(flat: Sequence[bytes]) -> Row:
    """A hash as Redis lists it (field, value, field, value …)."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def flat(rows: Iterable[Iterable[Argument]]) -> list[Argument]:
    """Rows as a script takes them: one cell after the other."""
    return [cell for row in rows for cell in row]


def text(row: Row, field: str) -> str | None:
    """A field as text; None where it is absent or empty."""
    return row.get(field, b"").decode() or None


def seconds(row: Row, field: str) -> float | None:
    """A time kept in ms, in UNIX seconds; None where it is absent or 0."""
    stored = float(row.get(field) or 0)
    return stored / 1000 if stored else None
