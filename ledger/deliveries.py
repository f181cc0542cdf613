"""Deliveries: an event on its way to an endpoint, with every attempt.

The state that operators see is derived: a pending delivery of a disabled endpoint is held, one of a deleted endpoint
discarded. So disabling and enabling an endpoint touch no delivery, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger import attempt_rows
from ledger.cells import Cells
from ledger.endpoints import Endpoints
from ledger.lane_pause import lane_pause
from ledger.rows import Row, paired, seconds, text
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.delivery_id import delivery_id_of, event_and_endpoint
from schemas.endpoints.endpoint import TEST_TYPE
from schemas.endpoints.states import DeliveryState, shown_state, withheld_because
from schemas.errors import Conflict, NotFound
from schemas.outbox.codec import pack
from schemas.outbox.of_endpoint import of_endpoint_event
from schemas.reasons import Reason, stored

_SLACK = 1.0
"""A delivery that is due within so many seconds after the end of its lane's pause counts as waiting for the lane."""


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery with its attempts, oldest first. Times are UNIX seconds; `next_attempt_at` is None if none is due.

    `reason` says why it waits or died.
    """

    id: str
    event: str
    endpoint: str
    merchant: str
    type: str
    imp_uid: str
    state: DeliveryState
    created_at: float
    next_attempt_at: float | None
    reason: Reason | None
    attempts: tuple[Attempt, ...]


class Deliveries:
    """Reads deliveries; retries or tests one."""

    def __init__(self, cells: Cells, endpoints: Endpoints) -> None:
        self._cells = cells
        self._endpoints = endpoints

    async def get(self, delivery_id: str) -> DeliveryView:
        """The delivery of this id. Raises `NotFound`."""
        found = await self.some([delivery_id])
        if not found:
            raise NotFound(Reason.of("not_found", kind="delivery", id=delivery_id))
        return found[0]

    async def of_event(self, event: str) -> Sequence[DeliveryView]:
        """The deliveries of one event, the newest first."""
        found = await self.some([delivery_id_of(event, name) for name in await self._endpoints_of(event)])
        return sorted(found, key=lambda sent: (sent.created_at, sent.id), reverse=True)

    async def retry(self, delivery_id: str) -> None:
        """Have a delivery attempted now, even if its endpoint's lane is paused: a dead or delivered one once more, a
        waiting one at once.

        Raises `NotFound`, and `Conflict` if its endpoint is disabled or deleted, if its payment is of a test channel
        and its merchant does not include these, or if an earlier delivery must be settled first.
        """
        store = await self._cells.of_endpoint(_endpoint(delivery_id))
        if store is None:
            raise NotFound(Reason.of("not_found", kind="delivery", id=delivery_id))
        what, *detail = await store.run_and_kick("retry_delivery", delivery_id, durable=True)
        match what:
            case b"unknown":
                raise NotFound(Reason.of("not_found", kind="delivery", id=delivery_id))
            case b"deleted":
                raise Conflict(Reason.of("endpoint_deleted"))
            case b"held":
                raise Conflict(Reason.of("disabled_holds"))
            case b"hidden":
                raise Conflict(Reason.of("test_channel_left_out"))
            case b"waits":
                raise Conflict(Reason.of("waits_for_event", delivery=detail[0].decode()))

    async def send_test(self, endpoint: str, event: str, body: bytes) -> str:
        """Have a test event sent to an endpoint now, even to a disabled one; return the delivery's id.
        Raises `NotFound`."""
        entry = pack(of_endpoint_event(event, TEST_TYPE, body))
        args = (endpoint, event, TEST_TYPE, body, entry)
        store = await self._cells.of_endpoint(endpoint)
        if store is None or await store.run_and_kick("send_test", *args, durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint))
        return delivery_id_of(event, endpoint)

    async def end_test(self, delivery_id: str) -> bool:
        """Give up a test delivery that waits for its attempt; False if it is settled or a worker is sending it."""
        store = await self._cells.of_endpoint(_endpoint(delivery_id))
        return store is not None and bool(await store.run("end_test", delivery_id))

    async def _endpoints_of(self, event: str) -> Sequence[str]:
        found = await self._cells.each("read_endpoints_of_event", event)
        return [name.decode() for names in found for name in names]

    async def some(self, delivery_ids: Sequence[str]) -> Sequence[DeliveryView]:
        """Those of these deliveries that the ledger has."""
        if not delivery_ids:
            return []
        rows = await self._rows(delivery_ids)
        known = {identity: rows[identity] for identity in delivery_ids if identity in rows}
        hashes = {identity: paired(row[0]) for identity, row in known.items()}
        endpoints = await self._endpoints.some(list({text(fields, "endpoint") or "" for fields in hashes.values()}))
        sent = []
        for identity, (_, attempts, due, leased, waits_for, lane) in known.items():
            fields = hashes[identity]
            registered = endpoints.get(text(fields, "endpoint") or "")
            state = shown_state(text(fields, "state") or "pending", registered.state if registered else "deleted")
            disabled = registered.endpoint.disabled_reason if registered else None
            reason = Reason.of("being_sent") if leased else _reason(fields, state, waits_for.decode(), disabled)
            at = float(due) / 1000 if due and state == "pending" else None
            paused = lane_pause(lane) if lane and at is not None else None
            if paused is not None and at is not None and paused.until > at - _SLACK:
                reason = paused.reason.because(reason)
                at = max(at, paused.until)
            sent.append(_sent(identity, fields, state, at, reason, attempts))
        return sent

    async def _rows(self, delivery_ids: Sequence[str]) -> dict[str, Any]:
        """What `read_deliveries` returns for the deliveries that the ledger has; one round trip if their cells are
        known."""
        cells = await self._cells.of_endpoints(map(_endpoint, delivery_ids))
        there = [identity for identity in dict.fromkeys(delivery_ids) if _endpoint(identity) in cells]
        rows = await self._cells.read_each("read_deliveries", there, lambda name: cells[_endpoint(name)], list)
        return {identity: row for identity, row in zip(there, rows, strict=True) if row[0]}


def _endpoint(delivery_id: str) -> str:
    """The endpoint of a delivery."""
    return event_and_endpoint(delivery_id)[1]


def _reason(fields: Row, state: DeliveryState, waits_for: str, disabled_reason: Reason | None) -> Reason | None:
    was_pending = text(fields, "state") == "pending"
    withheld = withheld_because(state, was_pending=was_pending, disabled_reason=disabled_reason)
    if withheld is not None:
        return withheld
    if state == "pending" and waits_for:
        return Reason.of("waits_for_event", delivery=waits_for)
    after = text(fields, "sent_after")
    return stored(fields.get("reason")) or (Reason.of("sent_after_dead", delivery=after) if after else None)


def _sent(
    identity: str, fields: Row, state: DeliveryState, at: float | None, reason: Reason | None, attempts: Sequence[bytes]
) -> DeliveryView:
    return DeliveryView(
        id=identity,
        event=text(fields, "event") or "",
        endpoint=text(fields, "endpoint") or "",
        merchant=text(fields, "merchant") or "",
        type=text(fields, "type") or "",
        imp_uid=text(fields, "imp_uid") or "",
        state=state,
        created_at=seconds(fields, "created_at") or 0.0,
        next_attempt_at=at,
        reason=reason,
        attempts=tuple(map(attempt_rows.load, attempts)),
    )
