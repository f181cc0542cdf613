"""Events as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger import keys
from ledger.bodies import stored_body
from ledger.cells import Cells
from ledger.rows import paired, seconds, text
from ledger.store import Store
from schemas.errors import NotFound
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason

MOST_BYTES = 4_194_304
"""About how many bytes of bodies are read at once. If bodies are long, fewer events are read than asked for."""


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
        store = await self._cells.of_event(event_id)
        found = await _some(store, [event_id]) if store else ()
        if not found:
            raise NotFound(Reason.of("not_found", kind="event", id=event_id))
        return found[0]

    async def of_payment(self, merchant: str, imp_uid: str, *, most: int = 200) -> Sequence[StoredEvent]:
        """The latest events of one payment, oldest first."""
        store = self._cells.of(merchant)
        found = await store.run("read_events_of_payment", keys.payment(merchant, imp_uid), most)
        return (await _some(store, [event.decode() for event in found]))[::-1]


async def _some(store: Store, event_ids: Sequence[str]) -> Sequence[StoredEvent]:
    """The first of these events: as many as are read at once, without those that do not exist."""
    if not event_ids:
        return ()
    rows, objects = await store.run("read_events", MOST_BYTES, *event_ids)
    return [_event(event_id, row, objects) for event_id, row in zip(event_ids, rows, strict=False) if row]


def _event(event_id: str, row: Sequence[Any], objects: Sequence[bytes]) -> StoredEvent:
    flat, place = row
    fields = paired(flat)
    return StoredEvent(
        id=event_id,
        type=text(fields, "type") or "",
        merchant=text(fields, "merchant") or "",
        imp_uid=text(fields, "imp_uid") or "",
        sequence=int(fields.get("sequence") or 0),
        recorded_at=seconds(fields, "recorded_at") or 0.0,
        silent=fields.get("silent") == b"1",
        callback=stored_body(fields["body"], objects, place),
        about=text(fields, "about"),
    )
