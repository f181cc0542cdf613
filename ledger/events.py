"""Events as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.merchants import Merchants
from ledger.pages import Page, Slice, walk
from ledger.rows import Row, hashes, seconds, text
from ledger.store import Store
from schemas.errors import NotFound

_FIELDS = ("merchant", "imp_uid", "type", "sequence", "recorded_at", "silent", "body", "about")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event: `body` is the callback's very bytes, `recorded_at` in UNIX seconds; a silent one was not delivered.

    `about` is the endpoint that an `endpoint.*` event is about.
    """

    id: str
    type: str
    merchant: str
    imp_uid: str
    sequence: int
    recorded_at: float
    silent: bool
    body: bytes = field(repr=False)
    about: str | None = None


class Events:
    """What was recorded, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, event_id: str) -> Recorded:
        """The event of this id. Raises `NotFound`."""
        found = await self.some([event_id])
        if not found:
            raise NotFound(f"there is no event {event_id!r}")
        return found[0]

    async def some(self, event_ids: Sequence[str]) -> list[Recorded]:
        """Those of these events that there are, in this order."""
        rows = await hashes(self._store, [f"evt:{event_id}" for event_id in event_ids], *_FIELDS)
        return [_recorded(event_id, row) for event_id, row in zip(event_ids, rows, strict=True) if row]

    async def list(
        self, part: Slice, *, merchant: str | None = None, imp_uid: str | None = None, type_: str | None = None
    ) -> Page[Recorded]:
        """Events, newest recorded first; those of one payment by sequence. `part` may have a window."""
        musts = [f"evts:t:{type_}"] if type_ is not None else []
        if imp_uid is not None:
            merchants = [merchant] if merchant is not None else await Merchants(self._store).names()
            walks = [f"evts:p:{name}/{imp_uid}" for name in merchants]
            page = await walk(self._store, walks, musts, part=part, clock="evts")
        else:
            walks = [f"evts:m:{merchant}"] if merchant is not None else ["evts"]
            page = await walk(self._store, walks, musts, part=part)
        return Page(tuple(await self.some(page.rows)), page.next_cursor)

    async def of_payment(self, merchant: str, imp_uid: str, *, most: int = 200) -> Sequence[Recorded]:
        """The latest events of one payment, oldest first."""
        page = await self.list(Slice(most), merchant=merchant, imp_uid=imp_uid)
        return page.rows[::-1]


def _recorded(event_id: str, row: Row) -> Recorded:
    return Recorded(
        id=event_id,
        type=text(row, "type") or "",
        merchant=text(row, "merchant") or "",
        imp_uid=text(row, "imp_uid") or "",
        sequence=int(row.get("sequence") or 0),
        recorded_at=seconds(row, "recorded_at") or 0.0,
        silent=row.get("silent") == b"1",
        body=row.get("body", b"{}"),
        about=text(row, "about"),
    )
