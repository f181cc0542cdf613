"""Events as they were recorded; their bodies are put together again, byte for byte as in the callback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import PATIENCE, Database
from history.pages import AnyRow, Listing, Page, PageRequest, Walk, encode, of_row, page, place
from schemas.compression import decompress
from schemas.errors import HistoryDamaged, NotFound
from schemas.outbox.entries import Event
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason

LISTING = Listing(
    "events",
    tables.event,
    "recorded_at",
    (
        Walk(("imp_uid",)),
        Walk(("type",), where=tables.OF_OTHER_TYPES, serves=lambda type_: type_ != "payment.paid"),
        Walk(("merchant",)),
        Walk(),
    ),
)
MOST_BYTES = 4_194_304
"""Bytes of bodies in one page, or of one payment, about. With long bodies there are fewer events than asked for."""

_T, _OBJECTS = tables.event, tables.shared_object

Objects = Mapping[tuple[str, str, int], bytes]


class Events:
    """The recorded events, newest first. The `body` of an event is the callback as it was sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, part: PageRequest, *, merchant: str | None = None, imp_uid: str | None = None, type_: str | None = None
    ) -> Page[Event]:
        """Events of one merchant or all, of one payment, of one type. Raises `Invalid`."""
        filters = {"merchant": merchant, "imp_uid": imp_uid, "type": type_}

        def read(connection: Connection) -> Page[Event]:
            rows, cursor = page(connection, LISTING, part, filters)
            found: list[Event] = []
            size = 0
            objects = shared_objects(connection, rows)
            for row in rows:
                event = whole(row, objects)
                size += len(event.body)
                if size > MOST_BYTES and found:
                    return Page(tuple(found), encode(LISTING.name, *place(rows[len(found) - 1], LISTING.at)))
                found.append(event)
            return Page(tuple(found), cursor)

        return await self._database.read(read)

    async def get(self, event_id: str) -> Event:
        """The event of this id. Raises `NotFound`."""

        def read(connection: Connection) -> Event | None:
            row = connection.execute(select(_T).where(_T.c.id == event_id)).first()
            return whole(row, shared_objects(connection, [row])) if row else None

        found = await self._database.read(read)
        if found is None:
            raise NotFound(Reason.of("not_found", kind="event", id=event_id))
        return found

    async def of_payments(
        self, names: Sequence[tuple[str, str]], *, most: int = 200, patience: float = PATIENCE
    ) -> Mapping[tuple[str, str], Sequence[Event]]:
        """The latest events of each of some payments (merchant, imp_uid), oldest first: at most `most` of each, and
        no more than `MOST_BYTES`, by one query."""

        def read(connection: Connection) -> Mapping[tuple[str, str], Sequence[Event]]:
            rows = connection.execute(_latest([imp_uid for _, imp_uid in names], most)).all()
            found: dict[tuple[str, str], list[AnyRow]] = {name: [] for name in names}
            for row in rows:
                found.get((row.merchant, row.imp_uid), []).append(row)
            objects = shared_objects(connection, [row for mine in found.values() for row in mine])
            return {name: _newest_within(mine, objects) for name, mine in found.items()}

        return await self._database.read(read, patience) if names else {}


def _latest(imp_uids: Sequence[str], most: int) -> Select[Any]:
    """The latest events of each payment with one of these imp_uids, of any merchant, oldest first."""
    newest_first = (_T.c.recorded_at.desc(), _T.c.n.desc())
    of_one = func.row_number().over(partition_by=(_T.c.imp_uid, _T.c.merchant), order_by=newest_first)
    placed = select(_T.c.n, of_one.label("place")).where(_T.c.imp_uid.in_(imp_uids)).subquery()
    wanted = select(placed.c.n).where(placed.c.place <= most)
    return select(_T).where(_T.c.n.in_(wanted)).order_by(_T.c.recorded_at, _T.c.n)


def _newest_within(rows: Sequence[AnyRow], objects: Objects) -> Sequence[Event]:
    """The events of these rows. If they exceed `MOST_BYTES`, the oldest are left out."""
    found: list[Event] = []
    size = 0
    for row in reversed(rows):
        event = whole(row, objects)
        size += len(event.body)
        if size > MOST_BYTES and found:
            break
        found.append(event)
    return tuple(reversed(found))


def shared_objects(connection: Connection, rows: Sequence[AnyRow]) -> Objects:
    """The objects that these events share, as they are stored."""
    wanted = {(row.imp_uid, row.merchant, row.object_revision) for row in rows if row.object_revision is not None}
    if not wanted:
        return {}
    keys = (_OBJECTS.c.imp_uid, _OBJECTS.c.merchant, _OBJECTS.c.revision)
    imp_uids, _, revisions = zip(*wanted, strict=True)
    maybe = (_OBJECTS.c.imp_uid.in_(set(imp_uids)), _OBJECTS.c.revision.in_(set(revisions)))
    found = connection.execute(select(*keys, _OBJECTS.c.object).where(*maybe))
    return {one: stored for *key, stored in found if (one := tuple(key)) in wanted}


def whole(row: AnyRow, objects: Objects) -> Event:
    """The event of a row, with the callback's bytes as its body. Raises `HistoryDamaged`."""
    event = of_row(Event, row)
    try:
        text = decompress(event.body)
        if event.object_revision is None:
            return replace(event, body=text)
        shared = decompress(objects[event.imp_uid, event.merchant, event.object_revision])
        return replace(event, body=CallbackBody(text, shared).full, object_revision=None)
    except (ValueError, KeyError) as error:
        raise HistoryDamaged(Reason.of("history_event_damaged", event=event.id, error=str(error))) from None
