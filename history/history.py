"""The only entrance to history, which remembers for years what happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import insert, literal, select, union_all
from sqlalchemy.engine import Connection

from history import tables
from history import write as writing
from history.batch import Packed, gather
from history.connection import PATIENCE, Database, open_database, trouble
from history.deliveries import Deliveries
from history.events import Events
from history.export import Exports
from history.figures import Figures, figures
from history.migrate import MigrationStep, all_steps, check_version, missing_steps, prepare
from history.notifications import Notifications
from history.payments import Payments
from history.registry import AuditLog, Endpoints, Merchants, Reconciliations, Replays
from history.replayable import Replayable
from history.restore import Restore
from history.retention import Retention
from history.search import Hits, Search
from history.upsert import new_or_known
from history.whole_payments import WholePayments
from history.write import Move
from runtime.history_url import HistoryUrl
from schemas.errors import HistoryUnavailable, RefusedEntries
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Standing:
    """`owner` is the ledger whose history this is, None before one has adopted it. `places` says how far each outbox
    was recorded: the id of its last entry, `0-0` before the first."""

    owner: str | None
    places: dict[str, str]


class History:
    """What happened: recorded from outboxes, read, exported, removed, and put back into a lost ledger.

    record_all, place, places, standing   what a recorder does
    payments, events, deliveries,         lists, newest first, and single things
    notifications, merchants, endpoints,
    replays, reconciliations, audit
    exports, search, figures              streams of rows; what a text may mean; sums by day
    replayable                            what a replay sends again
    retention                             how old rows leave
    restore, whole_payments, owner,
    adopt, is_empty                       whose history this is, and what a lost ledger is put back from

    Everything raises `HistoryUnavailable` while the database is away, locked, full or unreadable, and nothing holds up
    the event loop. A read sees what was recorded before it began.
    """

    def __init__(self, database: Database, url: HistoryUrl, *, is_prepared: bool = False) -> None:
        self._database = database
        self._url = url
        self._is_prepared = is_prepared
        self.payments = Payments(database)
        self.events = Events(database)
        self.deliveries = Deliveries(database)
        self.notifications = Notifications(database)
        self.merchants = Merchants(database)
        self.endpoints = Endpoints(database)
        self.replays = Replays(database)
        self.reconciliations = Reconciliations(database)
        self.audit = AuditLog(database)
        self.exports = Exports(database)
        self.restore = Restore(database)
        self.whole_payments = WholePayments(database, self.payments)
        self.retention = Retention(database)
        self.replayable = Replayable(database)
        self._search = Search(database)

    @classmethod
    def connect(cls, url: HistoryUrl, *, is_prepared: bool = False) -> History:
        """The history at this URL; nothing is opened before the first use. `is_prepared`: this process has prepared it
        already."""
        return cls(open_database(url), url, is_prepared=is_prepared)

    async def prepare(self) -> None:
        """Make the tables, or bring them up to date. Every process calls this before it begins; another call does
        nothing unless the tables are gone. Raises `BadSetting` for an error that an operator must fix, and
        `HistoryUnavailable` for one that may pass."""
        if not (self._is_prepared and await self._has_tables()):
            await prepare(self._database, self._url)
            self._is_prepared = True

    async def missing_steps(self) -> list[MigrationStep]:
        """The migrations that the tables lack. Raises `BadSetting` and `HistoryUnavailable`."""
        if self._url.file is not None and not self._url.file.exists():
            return all_steps()
        return await self._database.read(missing_steps)

    async def check_version(self) -> None:
        """Raise `BadSetting` if the tables are of a release that this one cannot work with. Raises
        `HistoryUnavailable`."""
        await check_version(self._database, self._url)

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()

    async def ping(self, patience: float = 5.0) -> None:
        """Raise `HistoryUnavailable` if history cannot be read within `patience` seconds."""
        await self._database.read(lambda connection: connection.execute(select(tables.about.c.name)).all(), patience)

    async def record_all(self, moves: Sequence[Move], entries: Iterable[Packed]) -> bool:
        """Write entries of some outboxes in one transaction, all or none. Each move covers the entries of one outbox.

        Return False, and write nothing, if an outbox is not at the place where its move begins: another recorder was
        quicker, or this one has written the entries before. Raises `UnknownEntry` for an entry that this version cannot
        read, and `RefusedEntries` for values that the database cannot hold.
        """
        batch = gather(entries)

        def write(connection: Connection) -> bool:
            try:
                return writing.record(connection, moves, batch)
            except writing.refusals() as error:
                upto = ", ".join(f"{move.outbox}/{move.upto}" for move in moves)
                raise RefusedEntries(Reason.of("outbox_entry_refused", place=upto, error=trouble(error))) from None

        return await self._database.write(write)

    async def place(self, outbox: str) -> str:
        """How far an outbox was recorded: the id of its last entry, `0-0` before the first."""
        return (await self.places([outbox]))[outbox]

    async def places(self, outboxes: Sequence[str], patience: float = PATIENCE) -> dict[str, str]:
        """How far several outboxes were recorded."""
        return (await self.standing(outboxes, patience)).places

    async def standing(self, outboxes: Sequence[str], patience: float = PATIENCE) -> Standing:
        """How far some outboxes were recorded, and the ledger whose history this is, as of one moment."""
        table, about = tables.place, tables.about
        recorded = select(literal("place").label("what"), table.c.outbox, table.c.place)
        owner = select(literal("owner"), about.c.name, about.c.value).where(about.c.name == "ledger")
        asked = union_all(recorded.where(table.c.outbox.in_(outboxes)), owner)
        found = await self._database.read(lambda connection: connection.execute(asked).all(), patience)
        places = {outbox: place for what, outbox, place in found if what == "place"}
        owners = (name for what, _, name in found if what == "owner")
        return Standing(next(owners, None), dict.fromkeys(outboxes, writing.START) | places)

    async def places_of(self, ledger: str) -> list[str]:
        """How far each outbox of a ledger was recorded."""
        mine = select(tables.place.c.place).where(tables.place.c.outbox.startswith(f"{ledger}:", autoescape=True))
        return list(await self._database.read(lambda connection: connection.execute(mine).scalars().all()))

    async def find(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Hits:
        """What an operator's text may mean. Raises `Invalid` for a cursor that is not of a search."""
        return await self._search.find(text, limit=limit, cursor=cursor)

    async def figures(
        self, since: float, until: float, *, merchant: str | None = None, offset: int = 9 * 3600
    ) -> Figures:
        """Sums of what happened in [since, until), UNIX seconds; days are those `offset` seconds east of UTC."""
        return await figures(self._database, since, until, merchant=merchant, offset=offset)

    async def owner(self) -> str | None:
        """The ledger whose history this is, None before one has adopted it."""
        return await self._database.read(_owner)

    async def _has_tables(self) -> bool:
        try:
            await self.owner()
        except HistoryUnavailable:
            return False  # `prepare` finds out why
        return True

    async def adopt(self, ledger: str) -> str:
        """Make this the history of a ledger, unless it belongs to one already; return the ledger that it belongs to."""

        def write(connection: Connection) -> str:
            connection.execute(new_or_known(connection, tables.about), {"name": "ledger", "value": ledger})
            return _owner(connection) or ledger

        return await self._database.write(write)

    async def hand_over(self, ledger: str) -> None:
        """Make this the history of another ledger: one that was restored from it, or begun anew beside it."""

        def write(connection: Connection) -> None:
            connection.execute(tables.about.delete().where(tables.about.c.name == "ledger"))
            connection.execute(insert(tables.about).values(name="ledger", value=ledger))

        await self._database.write(write)

    async def is_empty(self) -> bool:
        """Whether nothing that happened was ever recorded."""
        kinds = (tables.notification, tables.payment, tables.event, tables.merchant, tables.endpoint)

        def read(connection: Connection) -> bool:
            return not any(connection.execute(select(table.c.n).limit(1)).first() for table in kinds)

        return await self._database.read(read)


def _owner(connection: Connection) -> str | None:
    return connection.execute(select(tables.about.c.value).where(tables.about.c.name == "ledger")).scalar()
