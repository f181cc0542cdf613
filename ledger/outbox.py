"""The outbox: changes of the ledger that history does not have yet.

A script that changes something history shows appends entries in the same step. The recorder reads them, writes them to
history, and trims what it has written. An item of the stream has one or several entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ledger.cells import Cells
from ledger.jobs import ERASE_AGAIN, FIRST_PART, REWRITE, REWRITE_JOB
from ledger.keys import NAME, OUTBOX, RECORDED
from ledger.scripting import Argument, raised
from ledger.store import Store
from ledger.streams import Streams
from schemas.times import rfc3339

log = structlog.get_logger()

LEADER_MS = 4_000
"""For how long a process leads after it asked last."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """`name` is what history calls a cell's outbox; `last` is the place of the newest item; `waiting` items are not
    recorded yet, the oldest of them for `behind` seconds. `now` is Redis' time in ms."""

    name: str
    last: str
    waiting: int
    behind: float
    now: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """In all outboxes `waiting` items are not recorded yet, the oldest of them for `behind` seconds."""

    waiting: int
    behind: float


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its place, and its entries as (packed, stamp)."""

    place: str
    entries: tuple[tuple[bytes, bytes], ...]


class Outbox:
    """The outboxes of all cells: the recorder reads and trims them, and readers of history wait for it."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._streams = Streams(cells, OUTBOX)

    @property
    def cells(self) -> range:
        """The numbers of the cells."""
        return range(len(self._cells))

    @staticmethod
    def name(ledger: str, cell: int) -> str:
        """What history calls the outbox of a cell."""
        return f"{ledger}:{cell:02}"

    @staticmethod
    def appended_at(place: str) -> int:
        """When the item at a place was appended: Redis' time in ms."""
        return _order(place)[0]

    @staticmethod
    def reached(place: str, target: str) -> bool:
        """Whether a recorder that is at `place` has recorded the item at `target`."""
        return _order(place) >= _order(target)

    async def lead(self, owner: str) -> str | None:
        """Become the only process that records, for the next `LEADER_MS`. Returns the ledger's name; None while
        another process records or the ledger is not open."""
        name: bytes | None = await self._cells.shared.run("take_lead", "record", owner, LEADER_MS)
        return None if name is None else name.decode()

    async def resign(self, owner: str) -> None:
        """Stop being the process that records, so that another can start at once."""
        await self._cells.shared.run("give_up_lead", "record", owner)

    async def append(self, entries: Sequence[bytes], cell: int = 0) -> str:
        """Append packed entries to the outbox of a cell; return their place. Raises `LedgerUnavailable`."""
        args: tuple[Argument, ...] = (len(entries), *entries)
        place: bytes = await self._cells[cell].run("append_to_outbox", *args, durable=True)
        return place.decode()

    async def read(self, after: Mapping[int, str], limit: int) -> dict[int, list[Item]]:
        """Up to `limit` items of each of these cells behind its place, the oldest first. Cells that are away are left
        out."""
        return {cell: _items(found) for cell, (_, found, _) in (await self._read(after, limit)).items()}

    async def read_checked(self, after: Mapping[int, str], limit: int) -> tuple[dict[int, list[Item]], set[int]]:
        """The same for the recorder, whose history is at these places; and the cells of which history has lost items.

        If Redis came back with an old copy, that is logged, and its outbox goes on behind history's place. If an outbox
        may lack a change, all that its cell holds is written to history again.
        """
        found, lost = dict[int, list[Item]](), set[int]()
        for cell, (state, items, lacks) in (await self._read(after, limit)).items():
            if state == b"history":
                lost.add(cell)
            elif state == b"redis":
                await self._continue(cell, after[cell])
                found |= await self.read({cell: after[cell]}, limit)
            else:
                found[cell] = _items(items)
                if lacks:
                    await self._fill_up(cell)
        return found, lost

    async def has_lost(self, merchant: str, place: str) -> bool:
        """Whether history, which is now at this place of a merchant's cell, has lost items that it had before. Raises
        `LedgerUnavailable`."""
        cell = self._cells.number(merchant)
        state, _, _ = (await self._read({cell: place}, 1))[cell]
        return bool(state == b"history")

    async def has_gone_back(self, places: Mapping[int, str]) -> bool:
        """Whether Redis knows less of these places than the recorder, whose history is there: it came back with an old
        copy, or empty. Raises `LedgerUnavailable`."""
        recorded = await self._cells.values(RECORDED, places)
        return not all(self.reached((recorded[cell] or b"0-0").decode(), place) for cell, place in places.items())

    async def rewrite(self, place: str | None, cell: int = 0) -> None:
        """Have all that a cell holds written to history again. `place` is where history is after it has lost items;
        None if history only lacks changes that the outbox lacks, too."""
        args = (place or "", FIRST_PART, str(REWRITE), REWRITE_JOB)
        await self._cells[cell].run_and_kick("rewrite_history", *args, durable=True)

    async def wait(self, after: Mapping[int, str], seconds: float) -> set[int]:
        """Wait up to `seconds` until there is an item behind one of these places; return the cells that have some.
        Raises `LedgerUnavailable`."""
        return set(await self._streams.wait(after, seconds))

    async def trim_all(self, upto: Mapping[int, str]) -> None:
        """Remove the items of each of these cells up to a place that history has reached."""
        raised(list((await self._cells.some("trim_outbox", self._args(upto))).values()))

    async def states(self, *stores: Store) -> list[OutboxState]:
        """How much waits in each of these cells, or in each cell there is, and since when."""
        wanted = stores or tuple(self._cells)
        found = await self._cells.some("read_outbox", dict.fromkeys(wanted, ()))
        return [_state(store, *raised([found[store]])[0]) for store in wanted]

    async def states_of(self, merchant: str) -> list[OutboxState]:
        """The state of the outbox of a merchant's cell."""
        return await self.states(self._cells.of(merchant))

    async def state_of(self, cell: int) -> OutboxState:
        """The state of the outbox of a cell."""
        return (await self.states(self._cells[cell]))[0]

    async def names(self) -> dict[int, str]:
        """What history calls the outboxes of all cells."""
        name = await self._cells.shared.ask("GET", self._cells.shared.prefix + NAME())
        return {cell: self.name((name or b"").decode(), cell) for cell in self.cells}

    async def state(self) -> Backlog:
        """How much waits in all, and since when."""
        states = await self.states()
        return Backlog(sum(state.waiting for state in states), max(state.behind for state in states))

    def _args(self, places: Mapping[int, str], *args: Argument) -> dict[Store, Sequence[Argument]]:
        return {self._cells[cell]: (place, *args) for cell, place in places.items()}

    async def _read(self, after: Mapping[int, str], limit: int) -> dict[int, Any]:
        found = (await self._cells.some("read_items", self._args(after, limit))).items()
        if found and all(isinstance(answer, Exception) for _, answer in found):
            raised([answer for _, answer in found])
        return {store.cell or 0: answer for store, answer in found if not isinstance(answer, Exception)}

    async def _fill_up(self, cell: int) -> None:
        log.error(
            "outbox_incomplete", cell=cell,
            hint="Redis has refused to note what was changed: what the ledger holds is written to history again",
        )  # fmt: skip
        await self.rewrite(None, cell)

    async def _continue(self, cell: int, place: str) -> None:
        copy = await self._cells[cell].run_and_kick("continue_outbox", place, str(ERASE_AGAIN), durable=True)
        if copy is not None:
            since, until = (rfc3339(int(at) / 1000) for at in copy)
            log.error(
                "redis_old_copy", since=since, until=until, cell=cell,
                hint=f"Redis lacks what happened since then: run `relay reconcile --since {since}`",
            )  # fmt: skip


def _state(store: Store, last: bytes, waiting: int, oldest: bytes, now: bytes, ledger: bytes) -> OutboxState:
    since = Outbox.appended_at(oldest.decode()) if oldest else int(now)
    behind = max(0, int(now) - since) / 1000
    return OutboxState(Outbox.name(ledger.decode(), store.cell or 0), last.decode(), int(waiting), behind, int(now))


def _items(found: Sequence[Any]) -> list[Item]:
    return [Item(place.decode(), tuple(_entries(fields))) for place, fields in found]


def _order(place: str) -> tuple[int, int]:
    """When an item was appended (Redis' time in ms), and its number within that millisecond."""
    time, _, number = place.partition("-")
    return int(time), int(number)


def _entries(fields: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The entries of an item: fields `e` (an entry) and `s` (the stamp of the entry before it), repeated. An item that
    only marks the place which history has reached (continue_outbox.lua) has no entries."""
    entries: list[tuple[bytes, bytes]] = []
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if name == b"e":
            entries.append((value, b""))
        elif name == b"s":
            entries.append((entries.pop()[0], value))
    return entries
