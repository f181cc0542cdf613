"""Reading stored rows. Keys are named without the prefix, as the kinds in `ledger.keys` name them.

Every error of Redis is raised as `LedgerUnavailable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.cells import Cells
from ledger.scripting import Argument
from ledger.store import Store

Row = dict[str, bytes]

_ALL = 1_000_000_000


async def hashes(store: Store, names: Sequence[str], *fields: str) -> list[Row]:
    """The hashes of these keys, with all fields or only those named; an empty one if there is no such key."""
    if not names:
        return []
    found = await store.run("read_hashes", len(fields), *fields, *names)
    return [paired(row) for row in found]


async def members(store: Store, name: str) -> list[str]:
    """All members of a sorted set that never grows long."""
    return [member.decode() for member in await store.run("read_members", name)]


async def newest(store: Store, name: str, most: int) -> list[str]:
    """The members of a sorted set with the highest scores, the highest first: at most `most`."""
    return [member for _, member in _scored(await store.run("read_newest", name, most))]


async def members_of_all(cells: Cells, name: str) -> list[str]:
    """All members of a sorted set that never grows long and that every cell has, the lowest scores first."""
    found = [one for part in await cells.each("read_newest", name, _ALL) for one in _scored(part)]
    return [member for _, member in sorted(found)]


async def newest_of_all(cells: Cells, name: str, most: int) -> list[str]:
    """The members with the highest scores of a sorted set that every cell has, the highest first: at most `most`."""
    found = [one for part in await cells.each("read_newest", name, most) for one in _scored(part)]
    return [member for _, member in sorted(found, reverse=True)[:most]]


def _scored(flat: Sequence[bytes]) -> list[tuple[float, str]]:
    return [(float(score), member.decode()) for member, score in zip(flat[::2], flat[1::2], strict=True)]


def paired(flat: Sequence[bytes]) -> Row:
    """A hash as Redis lists it (field, value, field, value …)."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def flat(rows: Iterable[Iterable[Argument]]) -> list[Argument]:
    """Rows as a script takes them: one cell after the other."""
    return [cell for row in rows for cell in row]


def text(row: Row, field: str) -> str | None:
    """A field as text; None if it is absent or empty."""
    return row.get(field, b"").decode() or None


def seconds(row: Row, field: str) -> float | None:
    """A time kept in ms, in UNIX seconds; None if it is absent or 0."""
    stored = float(row.get(field) or 0)
    return stored / 1000 if stored else None
