"""Notifications with their outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.pages import Listing, Page, PageRequest, Place, Walk, of_row, oldest, page, place
from schemas.errors import NotFound
from schemas.outbox.entries import Notification
from schemas.reasons import Reason
from schemas.times import ms

LISTING = Listing(
    "notifications",
    tables.notification,
    "received_at",
    (
        Walk(("imp_uid",)),
        Walk(("outcome",), where=tables.UNUSUAL, serves=lambda outcome: outcome not in ("applied", "unchanged")),
        Walk(("merchant",)),
        Walk(),
    ),
)

STEP = 200
"""Notifications that are read at once when all are walked through."""

_T = tables.notification


class Notifications:
    """The notifications, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        part: PageRequest,
        *,
        merchant: str | None = None,
        imp_uid: str | None = None,
        outcome: str | None = None,
    ) -> Page[Notification]:
        """Notifications of one merchant or all, for one payment, with one outcome. Raises `Invalid`."""
        filters = {"merchant": merchant, "imp_uid": imp_uid, "outcome": outcome}

        def read(connection: Connection) -> Page[Notification]:
            rows, cursor = page(connection, LISTING, part, filters)
            return Page(tuple(of_row(Notification, row) for row in rows), cursor)

        return await self._database.read(read)

    async def pending(self, before: float, after: Place | None) -> tuple[Sequence[Notification], Place | None]:
        """Some pending notifications that came before a time (UNIX seconds), after a place, oldest first. Also the
        place after which there may be more, None at the end."""
        wanted = oldest(_T, "received_at", after, STEP).where(
            _T.c.outcome == "pending", text(tables.UNUSUAL), _T.c.received_at < ms(before)
        )
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        end = place(rows[-1], "received_at") if len(rows) == STEP else None
        return tuple(of_row(Notification, row) for row in rows), end

    async def get(self, identity: str) -> Notification:
        """The notification of this id. Raises `NotFound`."""
        row = await self._database.read(
            lambda connection: connection.execute(select(_T).where(_T.c.id == identity)).first()
        )
        if row is None:
            raise NotFound(Reason.of("not_found", kind="notification", id=identity))
        return of_row(Notification, row)
