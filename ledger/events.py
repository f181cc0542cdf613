"""Events as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger import keys
from ledger.merchants import Merchants
from ledger.pages import Page, PageRequest, walk
from ledger.store import Store
from schemas.errors import NotFound
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason

MOST_BYTES = 4_194_304
"""About how many bytes of bodies one page has; a page of long histories has fewer events than its limit."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event: `recorded_at` in UNIX seconds; a silent one was not delivered.

    `about` is the endpoint that an `endpoint.*` event is about.
    """

    id: str
    type: str
    merchant: str
    imp_uid: str
    sequence: int
    recorded_at: float
    silent: bool
    callback: CallbackBody
    about: str | None = None

    @property
    def body(self) -> bytes:
        """The callback's exact bytes."""
        return self.callback.full


class Events:
    """Reads recorded events, newest first."""

    def __init__(self, store: Store, merchants: Merchants) -> None:
        self._store = store
        self._merchants = merchants

    async def get(self, event_id: str) -> StoredEvent:
        """The event of this id. Raises `NotFound`."""
        found, _ = await self._some([event_id])
        if not found:
            raise NotFound(Reason.of("not_found", kind="event", id=event_id))
        return found[0]

    async def list(
        self, part: PageRequest, *, merchant: str | None = None, imp_uid: str | None = None, type_: str | None = None
    ) -> Page[StoredEvent]:
        """Events, newest recorded first; those of one payment by sequence. `part` may have a window."""
        musts = [keys.EVENTS_OF_TYPE(type_)] if type_ is not None else []
        if imp_uid is not None:
            merchants = [merchant] if merchant is not None else await self._merchants.names()
            walks = [keys.EVENTS_OF_PAYMENT(keys.payment(name, imp_uid)) for name in merchants]
            return await self._page(part, walks, musts, keys.EVENTS())
        return await self._page(
            part, [keys.EVENTS_OF_MERCHANT(merchant)] if merchant is not None else [keys.EVENTS()], musts
        )

    async def of_payment(self, merchant: str, imp_uid: str, *, most: int = 200) -> Sequence[StoredEvent]:
        """The latest events of one payment, oldest first."""
        page = await self.list(PageRequest(most), merchant=merchant, imp_uid=imp_uid)
        return page.rows[::-1]

    async def _page(
        self, part: PageRequest, walks: Sequence[str], musts: Sequence[str], clock: str = ""
    ) -> Page[StoredEvent]:
        page = await walk(self._store, walks, musts, part=part, clock=clock)
        found, read = await self._some(page.rows)
        if read < len(page.rows):
            # The cursor is that of the last event read.
            page = await walk(self._store, walks, musts, part=replace(part, limit=read), clock=clock)
        return Page(found, page.next_cursor)

    async def _some(self, event_ids: Sequence[str]) -> tuple[tuple[StoredEvent, ...], int]:
        """As many of these events as fit in a page, without those that do not exist; and how many ids that covers."""
        if not event_ids:
            return (), 0
        rows, objects = await self._store.run("read_events", MOST_BYTES, *event_ids)
        found = (_event(event_id, row, objects) for event_id, row in zip(event_ids, rows, strict=False) if row)
        return tuple(found), len(rows)


def _event(event_id: str, row: Sequence[Any], objects: Sequence[bytes]) -> StoredEvent:
    merchant, imp_uid, type_, sequence, recorded_at, silent, about, text, place = row
    return StoredEvent(
        id=event_id,
        type=(type_ or b"").decode(),
        merchant=(merchant or b"").decode(),
        imp_uid=(imp_uid or b"").decode(),
        sequence=int(sequence or 0),
        recorded_at=float(recorded_at or 0) / 1000,
        silent=silent == b"1",
        callback=CallbackBody(text, objects[place - 1] if place else None),
        about=about.decode() or None,
    )
