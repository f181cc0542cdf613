"""The outbox: what the ledger has changed and history does not have yet.

Whatever changes something that history shows appends entries in the same step; the recorder reads them, writes them to
history, and trims what is written. An item of the stream has one or several entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ledger.jobs import FIRST_PART, REWRITE, REWRITE_JOB
from ledger.keys import OUTBOX, PREFIX
from ledger.store import Store
from schemas.times import rfc3339

log = structlog.get_logger()

_OUTBOX = PREFIX + OUTBOX()
_LEADER_MS = 3_000
CELL = "00"
"""The one part of the ledger that there is; its number is part of the outbox's name in history."""


class HistoryBehind(Exception):
    """History is at an earlier place than it was: it was lost, or came back with an old copy."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """`name` is what history calls the outbox; `last` is the place of the newest item; `waiting` items are not recorded
    yet, the oldest of them for `behind` seconds. `now` is Redis' time in ms."""

    name: str
    last: str
    waiting: int
    behind: float
    now: int


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its place, and its entries as (packed, stamp)."""

    place: str
    entries: tuple[tuple[bytes, bytes], ...]


class Outbox:
    """What a recorder does with the outbox, and what readers of history wait for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def lead(self, owner: str) -> str | None:
        """Become the process that records, for the next three seconds. Returns the outbox's name in history; None while
        another process is that, or the ledger is not open."""
        name: bytes | None = await self._store.run("lead", "record", owner, _LEADER_MS)
        return None if name is None else _name(name)

    async def resign(self, owner: str) -> None:
        """Let another process record at once: this one stops."""
        await self._store.run("resign", "record", owner)

    async def append(self, entries: Sequence[bytes]) -> str:
        """Append packed entries; return their place. Raises `LedgerUnavailable`."""
        place: bytes = await self._store.run("append_to_outbox", len(entries), *entries, durable=True)
        return place.decode()

    async def read(self, after: str, limit: int) -> list[Item]:
        """Up to `limit` items behind a place, the oldest first."""
        _, found, _ = await self._store.run("read_items", after, limit)
        return _items(found)

    async def read_checked(self, after: str, limit: int) -> list[Item]:
        """The same, for the recorder, whose history is at the place `after`.

        Raises `HistoryBehind` where history had more before. A Redis that came back with an old copy is logged, and
        goes on behind that place. Where the outbox may lack a change, what the ledger holds is written again.
        """
        state, found, lacks = await self._store.run("read_items", after, limit)
        if state == b"history":
            raise HistoryBehind
        if state == b"redis":
            copy = await self._store.run("continue_outbox", after, durable=True)
            if copy is not None:
                since, until = (rfc3339(int(at) / 1000) for at in copy)
                log.error(
                    "redis_old_copy", since=since, until=until,
                    hint=f"Redis lacks what happened since then: run `relay reconcile --since {since}`",
                )  # fmt: skip
            return await self.read(after, limit)
        if lacks:
            log.error(
                "outbox_incomplete",
                hint="Redis has refused to note what was changed: what the ledger holds is written to history again",
            )
            await self.rewrite(None)
        return _items(found)

    async def rewrite(self, place: str | None) -> None:
        """Have what the ledger holds written to history again: it lacks what it had before and is at this place, or
        (None) only lacks changes that the outbox lacks."""
        args = (place or "", FIRST_PART, str(REWRITE), REWRITE_JOB)
        await self._store.run_and_kick("rewrite_history", *args, durable=True)

    async def wait(self, after: str, seconds: float) -> bool:
        """Wait until there is an item behind a place, for so long at most; return whether there is one. Raises
        `LedgerUnavailable`."""
        block = str(round(seconds * 1000))
        return bool(await self._store.ask("XREAD", "COUNT", "1", "BLOCK", block, "STREAMS", _OUTBOX, after))

    async def trim(self, upto: str) -> None:
        """Remove the items up to a place, which history has."""
        await self._store.run("trim_outbox", upto)

    async def state(self) -> OutboxState:
        """How much waits, and since when."""
        last, waiting, oldest, now, ledger = await self._store.run("read_outbox")
        since = milliseconds(oldest.decode()) if oldest else int(now)
        return OutboxState(_name(ledger), last.decode(), int(waiting), max(0, int(now) - since) / 1000, int(now))


def _items(found: Sequence[Any]) -> list[Item]:
    return [Item(place.decode(), tuple(_entries(fields))) for place, fields in found]


def milliseconds(place: str) -> int:
    """When the item at a place was appended: Redis' time in ms."""
    return _order(place)[0]


def reached(place: str, target: str) -> bool:
    """Whether a recorder at `place` has recorded what `target` is the place of."""
    return _order(place) >= _order(target)


def _name(ledger: bytes) -> str:
    return f"{ledger.decode()}:{CELL}"


def _order(place: str) -> tuple[int, int]:
    """When an item was appended (Redis' time in ms), and which of that millisecond's it is."""
    time, _, number = place.partition("-")
    return int(time), int(number)


def _entries(fields: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The entries of an item: fields `e` (an entry) and `s` (the stamp of the entry before it), repeated."""
    entries: list[tuple[bytes, bytes]] = []
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        entries.append((value, b"")) if name == b"e" else entries.append((entries.pop()[0], value))
    return entries
