"""Writing what the ledger holds to history again: history was lost, came back with an old copy, or lacks a change,
because Redis has refused some commands of a script.

The job reads a part at a time and appends it to the outbox in small steps. All that it reads gets the revision of that
moment, so that a later change wins, whichever is recorded first. Rows that history has already stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger import jobs, keys, order_rows
from ledger.cells import Cells
from ledger.constants import AUTO
from ledger.outbox import Outbox
from ledger.reconciliations import load_run
from ledger.rows import Row, hashes, members
from ledger.stored_entries import whole_events, whole_payment
from ledger.waiting import MOST, in_order, unpack_settled
from ledger.whole_events import events_of_payments, events_of_type
from schemas.endpoints.endpoint import ENDPOINT_TYPES, TEST_TYPE
from schemas.outbox import entries
from schemas.outbox.codec import pack
from schemas.outbox.entries import Entry
from schemas.webhook_address import DEFAULT_MERCHANT

MOST_ENTRIES = 400
"""Most entries of one call: more would keep Redis from serving others."""
TOGETHER = 10
"""Payments that are read in one round trip."""

PARTS = (
    jobs.FIRST_PART, "payments", *(f"events/{type_}" for type_ in (*ENDPOINT_TYPES, TEST_TYPE)), "waiting", "recorded",
)  # fmt: skip
"""The parts, in this order, because events must be there before they are looked up. A notification that is settled
before its turn is written whole when that happens. The last part ends when history has everything; until then nothing
leaves the ledger."""


class Rewriting:
    """One job in each cell, in steps."""

    def __init__(self, cells: Cells, outbox: Outbox) -> None:
        self._cells = cells
        self._outbox = outbox

    async def is_under_way(self) -> bool:
        """Whether some cell is being written again. Raises `LedgerUnavailable`."""
        return not all(is_missing for (is_missing,) in await self._cells.each("read_missing", keys.REWRITING()))

    async def step(self, cell: int = 0) -> bool:
        """Write a bounded part of a cell; return whether more is left. Raises `LedgerUnavailable`."""
        return await _Part(self._cells, cell, self._outbox).step()


class _Part:
    """A step of one cell."""

    def __init__(self, cells: Cells, cell: int, outbox: Outbox) -> None:
        self._cells, self._store = cells, cells[cell]
        self._cell = cell
        self._outbox = outbox

    async def step(self) -> bool:
        row = (await hashes(self._store, [keys.REWRITING()]))[0]
        if not row:
            return False
        run, part, cursor = (row[name].decode() for name in ("run", "part", "cursor"))
        cursor = await self._write(part, cursor)
        if cursor == "":
            following = PARTS[PARTS.index(part) + 1 :]
            part, cursor = (following[0], "0") if following else ("", "")
        goes_on = not await self._store.run("keep_rewriting", run, part, cursor)
        return goes_on or part != ""

    async def _write(self, part: str, cursor: str) -> str:
        """Write what comes behind a cursor of a part; return the next cursor, "" at the end."""
        kind, _, of = part.partition("/")
        match kind:
            case jobs.FIRST_PART:
                return await self._registry()
            case "payments":
                return await self._payments(cursor)
            case "events":
                return await self._events(of, cursor)
            case "recorded":
                return await self._recorded(cursor)
        return await self._waiting(cursor)

    async def _registry(self) -> str:
        revision = int(await self._store.run("append_registry"))
        now = round(1000 * await self._store.now())
        added = (DEFAULT_MERCHANT, *await members(self._store, keys.MERCHANTS()))
        names = [name for name in added if self._cells.of(name) is self._store]
        for name, orders in zip(names, await hashes(self._store, [keys.ORDERS(name) for name in names]), strict=True):
            await self._append(order_rows.to_entry(name, uid, row, now, revision) for uid, row in orders.items() if uid)
        runs = [*await members(self._store, keys.RECONCILIATIONS()), *(f"{AUTO}{name}" for name in names)]
        rows = await hashes(self._store, [keys.RECONCILIATION(run) for run in runs])
        await self._append(_reconciliation(row, now, revision) for row in rows if row)
        return ""

    async def _payments(self, cursor: str) -> str:
        following, found = await self._store.run("read_part", keys.AGEING(), cursor)
        names = [name.decode().split("/", 1) for name in found]
        for start in range(0, len(names), TOGETHER):
            await self._whole_payments(names[start : start + TOGETHER])
        rows = (
            await self._store.run_all("read_settled_notifications", [(name.decode(),) for name in found])
            if found
            else ()
        )
        await self._append(unpack_settled(packed) for settled in rows for _, packed in settled)
        return _cursor(following)

    async def _whole_payments(self, names: Sequence[Sequence[str]]) -> None:
        rows = await self._store.run_all("read_whole_payment", names)
        known = [(*name, row) for name, row in zip(names, rows, strict=True) if row[3]]
        await self._append(entry for name in known for entry in whole_payment(*name))
        async for parts in events_of_payments(self._store, [keys.payment(*name[:2]) for name in known]):
            await self._append(
                entry for part in parts for entry in whole_events(part.rows, part.objects, part.revision)
            )

    async def _events(self, type_: str, cursor: str) -> str:
        part = await events_of_type(self._store, type_, cursor)
        await self._append(whole_events(part.rows, part.objects, part.revision))
        return part.following

    async def _waiting(self, cursor: str) -> str:
        """Write the notifications of payments that are due or leased: these are all that wait."""
        deleted = await members(self._store, keys.DELETED_MERCHANTS())
        merchants = [DEFAULT_MERCHANT, *await members(self._store, keys.MERCHANTS()), *deleted]
        lanes = (f"{kind}/{name}" for name in sorted(set(merchants)) for kind in ("refresh", "unknown"))
        sets = sorted(name for lane in lanes for name in (keys.DUE(lane), keys.LEASED(lane)))
        name, _, place = (f"{sets[0]}|0" if cursor == "0" else cursor).rpartition("|")
        following, found = await self._store.run("read_part", name, place)
        merchant = name.partition("/")[2]
        calls = [(keys.payment(merchant, imp_uid.decode()), MOST) for imp_uid in found]
        rows = await self._store.run_all("read_waiting", calls) if calls else []
        await self._append(one for _, *waiting in rows for one in in_order(stored for _, stored in waiting))
        if following != b"0":
            return f"{name}|{following.decode()}"
        following_set = next((one for one in sets if one > name), "")
        return following_set and f"{following_set}|0"

    async def _recorded(self, cursor: str) -> str:
        """Wait until history has everything: the cursor is where the outbox ended when all was written."""
        outbox = await self._outbox.state_of(self._cell)
        end = outbox.last if cursor == "0" else cursor
        oldest = outbox.now - round(1000 * outbox.behind)
        return end if outbox.waiting and oldest <= self._outbox.appended_at(end) else ""

    async def _append(self, some: Iterable[Entry]) -> None:
        batch: list[bytes] = []
        for entry in some:
            batch.append(pack(entry))
            if len(batch) == MOST_ENTRIES:
                await self._outbox.append(batch, self._cell)
                batch = []
        if batch:
            await self._outbox.append(batch, self._cell)


def _cursor(following: bytes) -> str:
    return "" if following == b"0" else following.decode()


def _reconciliation(row: Row, now: int, revision: int) -> Entry:
    run = load_run(row["row"])
    created = round(run.created_at * 1000)
    return entries.Reconciliation(run.id, run.merchant, run.state, created, now, row["row"], revision)
