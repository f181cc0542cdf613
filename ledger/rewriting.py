"""Writing what the ledger holds to history again: history was lost, or came back with an old copy.

A part at a time, read and appended to the outbox in small steps. What is read has the revision of that moment, so that
a change in between wins, whichever is recorded first; what history has already stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger import keys
from ledger.constants import DEFAULT_MERCHANT
from ledger.outbox import Outbox
from ledger.reconciliations import load_run
from ledger.rows import Row, hashes, members
from ledger.store import Store
from ledger.stored_entries import whole_events, whole_payment
from ledger.waiting import MOST, in_order
from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES, TEST_TYPE
from schemas.outbox import entries
from schemas.outbox.codec import pack
from schemas.outbox.entries import Entry

MOST_ENTRIES = 400
"""Entries of one call; more would make others wait."""

PARTS = ("registry", "payments", *(f"events/{type_}" for type_ in (*ENDPOINT_TYPES, TEST_TYPE)), "waiting")
"""In this order: events come before what they are looked up for. A notification that waits while this goes on and is
settled before its turn is written whole then."""


class Rewriting:
    """One job, in steps."""

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    async def step(self) -> bool:
        """Write a bounded part; whether more is left. Raises `LedgerUnavailable`."""
        row = (await hashes(self._store, [keys.REWRITING()]))[0]
        part, cursor = (row[name].decode() for name in ("part", "cursor")) if row else (PARTS[0], "0")
        cursor = await self._write(part, cursor)
        if cursor == "":
            following = PARTS[PARTS.index(part) + 1 :]
            part, cursor = (following[0], "0") if following else ("", "")
        await self._store.run("keep_rewriting", part, cursor)
        return part != ""

    async def _write(self, part: str, cursor: str) -> str:
        """Write what comes behind a cursor of a part; the next cursor, "" at the end."""
        kind, _, of = part.partition("/")
        match kind:
            case "registry":
                return await self._registry()
            case "payments":
                return await self._payments(cursor)
            case "events":
                return await self._events(of, cursor)
        return await self._waiting(cursor)

    async def _registry(self) -> str:
        revision = int(await self._store.run("append_registry"))
        now = round(1000 * await self._store.now())
        names = [DEFAULT_MERCHANT, *await members(self._store, keys.MERCHANTS())]
        for name, orders in zip(names, await hashes(self._store, [keys.ORDERS(name) for name in names]), strict=True):
            await self._append(_order(name, uid, text, now, revision) for uid, text in orders.items())
        runs = [*await members(self._store, keys.RECONCILIATIONS()), *(f"auto/{name}" for name in names)]
        rows = await hashes(self._store, [keys.RECONCILIATION(run) for run in runs])
        await self._append(_reconciliation(row, now, revision) for row in rows if row)
        return ""

    async def _payments(self, cursor: str) -> str:
        following, names = await self._store.run("read_part", keys.AGEING(), cursor)
        for name in names:
            merchant, _, imp_uid = name.decode().partition("/")
            row = await self._store.run("read_whole_payment", merchant, imp_uid)
            if row[3]:
                await self._append(whole_payment(merchant, imp_uid, row))
        return _cursor(following)

    async def _events(self, type_: str, cursor: str) -> str:
        revision, last, rows = await self._store.run("read_whole_events", type_, cursor, 50)
        await self._append(whole_events(rows, (), int(revision)))
        return str(last.decode())

    async def _waiting(self, cursor: str) -> str:
        """The notifications of payments that are due or leased: all that wait."""
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

    async def _append(self, some: Iterable[Entry]) -> None:
        batch: list[bytes] = []
        for entry in some:
            batch.append(pack(entry))
            if len(batch) == MOST_ENTRIES:
                await self._outbox.append(batch)
                batch = []
        if batch:
            await self._outbox.append(batch)


def _cursor(following: bytes) -> str:
    return "" if following == b"0" else following.decode()


def _order(merchant: str, merchant_uid: str, text: bytes, now: int, revision: int) -> Entry:
    row = wire.loads(text)
    return entries.Order(merchant, merchant_uid, str(row["amount"]), row.get("currency"), now, revision)


def _reconciliation(row: Row, now: int, revision: int) -> Entry:
    run = load_run(row["row"])
    created = round(run.created_at * 1000)
    return entries.Reconciliation(run.id, run.merchant, run.state, created, now, row["row"], revision)
