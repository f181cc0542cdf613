"""Events as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger import keys
from ledger.cells import Cells
from ledger.rows import newest
from ledger.store import Store
from schemas.errors import NotFound
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason

MOST_BYTES = 4_194_304
"""About how many bytes of bodies are read at once; of longer ones there are fewer events than asked for."""


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
    """Reads recorded events."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def get(self, event_id: str) -> StoredEvent:
        """The event of this id. Raises `NotFound`."""
        for store in (await self._cells.holding([event_id], keys.EVENT)).values():
            if found := await _some(store, [event_id]):
                return found[0]
        raise NotFound(Reason.of("not_found", kind="event", id=event_id))

    async def of_payment(self, merchant: str, imp_uid: str, *, most: int = 200) -> Sequence[StoredEvent]:
        """The latest events of one payment, oldest first."""
        store, index = self._cells.of(merchant), keys.EVENTS_OF_PAYMENT(keys.payment(merchant, imp_uid))
        return (await _some(store, await newest(store, index, most)))[::-1]


async def _some(store: Store, event_ids: Sequence[str]) -> Sequence[StoredEvent]:
    """The first of these events, as many as are read at once, without those that do not exist."""
    if not event_ids:
        return ()
    rows, objects = await store.run("read_events", MOST_BYTES, *event_ids)
    return [_event(event_id, row, objects) for event_id, row in zip(event_ids, rows, strict=False) if row]


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
