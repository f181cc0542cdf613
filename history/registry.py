"""What operators set up and started: merchants, endpoints, replays, reconciliations; and the audit of what they did.

The ledger's rows come back as it wrote them; history itself reads only the columns that lists are filtered by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.pages import Condition, Listing, Page, PageRequest, Walk, of_row, page
from schemas.errors import NotFound
from schemas.outbox.entries import Audit, Endpoint, Merchant, Reconciliation, Replay
from schemas.reasons import Reason

T = TypeVar("T", Merchant, Endpoint, Replay, Reconciliation, Audit)

MERCHANTS = Listing("merchants", tables.merchant, "created_at", (Walk(),))
ENDPOINTS = Listing("endpoints", tables.endpoint, "created_at", (Walk(("merchant",)), Walk()))
REPLAYS = Listing("replays", tables.replay, "created_at", (Walk(),))
RECONCILIATIONS = Listing("reconciliations", tables.reconciliation, "created_at", (Walk(("merchant",)), Walk()))
AUDIT = Listing("audit", tables.audit_entry, "at", (Walk(("object",)), Walk(("actor",)), Walk(("action",)), Walk()))


class _Registry(Generic[T]):
    def __init__(self, database: Database, listing: Listing, kind: type[T], key: str = "id") -> None:
        self._database = database
        self._listing = listing
        self._kind: Callable[..., T] = kind
        self._key = listing.table.c[key]

    async def get(self, identity: str) -> T:
        """The one with this id, or the merchant with this name. Raises `NotFound`."""
        table = self._listing.table
        row = await self._database.read(
            lambda connection: connection.execute(select(table).where(self._key == identity)).first()
        )
        if row is None:
            raise NotFound(Reason.of("not_found", kind=self._kind.__name__.lower(), id=identity))
        return of_row(self._kind, row)

    async def _list(self, part: PageRequest, filters: Mapping[str, Any], condition: Condition | None = None) -> Page[T]:
        def read(connection: Connection) -> Page[T]:
            rows, cursor = page(connection, self._listing, part, filters, condition)
            return Page(tuple(of_row(self._kind, row) for row in rows), cursor)

        return await self._database.read(read)


class Merchants(_Registry[Merchant]):
    """Merchants, newest first, without those that were deleted."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, MERCHANTS, Merchant, "name")

    async def list(self, part: PageRequest) -> Page[Merchant]:
        """All merchants. Raises `Invalid`."""
        return await self._list(part, {}, lambda row: row.deleted_at.is_(None))


class Endpoints(_Registry[Endpoint]):
    """Endpoints, newest first, without those that were deleted."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, ENDPOINTS, Endpoint)

    async def list(self, part: PageRequest, *, merchant: str | None = None) -> Page[Endpoint]:
        """Endpoints of one merchant or all. Raises `Invalid`."""
        return await self._list(part, {"merchant": merchant}, lambda row: row.state != "deleted")


class Replays(_Registry[Replay]):
    """Replays, newest first, each as its first part."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, REPLAYS, Replay)

    async def list(self, part: PageRequest) -> Page[Replay]:
        """All replays. Raises `Invalid`."""
        return await self._list(part, {}, lambda row: row.part == 0)

    async def parts(self, replay_ids: Sequence[str]) -> Mapping[str, Sequence[Replay]]:
        """All parts of each of these replays."""
        table = self._listing.table
        asked = select(table).where(table.c.id.in_(replay_ids))
        found: dict[str, list[Replay]] = {replay_id: [] for replay_id in replay_ids}
        for row in await self._database.read(lambda connection: connection.execute(asked).all()):
            found[row.id].append(of_row(Replay, row))
        return found


class Reconciliations(_Registry[Reconciliation]):
    """Reconciliations that an operator asked for, newest first."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, RECONCILIATIONS, Reconciliation)

    async def list(self, part: PageRequest, *, merchant: str | None = None) -> Page[Reconciliation]:
        """Reconciliations of one merchant or all. Raises `Invalid`."""
        return await self._list(part, {"merchant": merchant})


class AuditLog(_Registry[Audit]):
    """What operators did, newest first."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, AUDIT, Audit)

    async def list(
        self, part: PageRequest, *, actor: str | None = None, action: str | None = None, object_: str | None = None
    ) -> Page[Audit]:
        """Entries of one actor, of one action, about one object. Raises `Invalid`."""
        return await self._list(part, {"actor": actor, "action": action, "object": object_})

    async def since(self, at: int, action: str) -> Sequence[Audit]:
        """All entries of one action since a time in ms, oldest first."""
        table = self._listing.table
        wanted = select(table).where(table.c.action == action, table.c.at >= at).order_by(table.c.at, table.c.n)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return tuple(of_row(Audit, row) for row in rows)
