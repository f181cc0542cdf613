"""Deliveries with their attempts, as operators see them.

A pending delivery is held if its endpoint is disabled, and discarded if its endpoint is deleted. Queries derive that
from the endpoint, so disabling or deleting an endpoint changes no delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.engine import Connection

from history import tables
from history.connection import PATIENCE, Database
from history.pages import AnyRow, Found, Listing, Page, PageRequest, Walk, merged, of_row, page
from schemas.endpoints.delivery_id import delivery_id_of, event_and_endpoint
from schemas.endpoints.states import DeliveryState, shown_state
from schemas.errors import NotFound
from schemas.outbox.entries import Attempt, Delivery
from schemas.reasons import Reason

LISTING = Listing(
    "deliveries",
    tables.delivery,
    "created_at",
    (
        Walk(("imp_uid", "event")),
        Walk(("state",), where=tables.UNDELIVERED, serves=lambda state: state != "delivered"),
        Walk(("endpoint",)),
        Walk(("type",), where=tables.OF_OTHER_TYPES, serves=lambda type_: type_ != "payment.paid"),
        Walk(("merchant",)),
        Walk(),
    ),
)

_T, _ATTEMPT, _ENDPOINT, _EVENT = tables.delivery, tables.attempt, tables.endpoint, tables.event


@dataclass(frozen=True, slots=True)
class RecordedDelivery:
    """A delivery, in the state that operators see, with its attempts, oldest first."""

    delivery: Delivery
    attempts: tuple[Attempt, ...]


class Deliveries:
    """The deliveries, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        part: PageRequest,
        *,
        endpoint: str | None = None,
        event: str | None = None,
        state: DeliveryState | None = None,
        merchant: str | None = None,
        type_: str | None = None,
    ) -> Page[RecordedDelivery]:
        """Deliveries to one endpoint, of one event, in one state, of one merchant, of events of one type. Raises
        `Invalid`."""
        filters = {"endpoint": endpoint, "event": event, "merchant": merchant, "type": type_}

        def read(connection: Connection) -> Page[RecordedDelivery]:
            if event is not None:
                # The index finds the deliveries of an event by its payment.
                filters["imp_uid"] = connection.execute(select(_EVENT.c.imp_uid).where(_EVENT.c.id == event)).scalar()
                if filters["imp_uid"] is None:
                    return Page(())
            rows, cursor = _in_state(connection, part, filters, state)
            return Page(with_attempts(connection, rows), cursor)

        return await self._database.read(read)

    async def some(self, delivery_ids: Sequence[str], *, patience: float = PATIENCE) -> Mapping[str, RecordedDelivery]:
        """These deliveries, by id; those that do not exist are left out."""
        wanted = set(delivery_ids)
        events = dict.fromkeys(event_and_endpoint(delivery_id)[0] for delivery_id in delivery_ids)
        return await self._of(list(events), lambda delivery_id: delivery_id in wanted, patience)

    async def of_events(
        self, event_ids: Sequence[str], *, patience: float = PATIENCE
    ) -> Mapping[str, RecordedDelivery]:
        """The deliveries of these events, by the deliveries' ids."""
        return await self._of(event_ids, lambda _: True, patience)

    async def _of(
        self, event_ids: Sequence[str], is_wanted: Callable[[str], bool], patience: float
    ) -> Mapping[str, RecordedDelivery]:
        # The index finds the deliveries of an event by its payment.
        imp_uids = select(_EVENT.c.imp_uid).where(_EVENT.c.id.in_(event_ids))

        def read(connection: Connection) -> Mapping[str, RecordedDelivery]:
            of_payments = set(connection.execute(imp_uids).scalars())
            theirs = select(_T).where(_T.c.imp_uid.in_(of_payments), _T.c.event.in_(event_ids))
            rows = connection.execute(theirs).all() if of_payments else ()
            wanted = [row for row in rows if is_wanted(delivery_id_of(row.event, row.endpoint))]
            return {one.delivery.id: one for one in with_attempts(connection, wanted)}

        return await self._database.read(read, patience) if event_ids else {}

    async def get(self, delivery_id: str, *, patience: float = PATIENCE) -> RecordedDelivery:
        """The delivery of this id. Raises `NotFound`."""
        found = (await self.some([delivery_id], patience=patience)).get(delivery_id)
        if found is None:
            raise NotFound(Reason.of("not_found", kind="delivery", id=delivery_id))
        return found


def _in_state(
    connection: Connection, part: PageRequest, filters: Mapping[str, Any], state: DeliveryState | None
) -> Found:
    def of_endpoints(*states: str) -> Any:
        return select(_ENDPOINT.c.id).where(_ENDPOINT.c.state.in_(states))

    def found(stored: str, condition: Any = None) -> Found:
        return page(connection, LISTING, part, {**filters, "state": stored}, condition)

    match state:
        case None:
            return page(connection, LISTING, part, filters)
        case "pending":
            return found("pending", lambda row: row.endpoint.not_in(of_endpoints("disabled", "deleted")))
        case "held":
            return found("pending", lambda row: row.endpoint.in_(of_endpoints("disabled")))
        case "discarded":
            of_deleted = found("pending", lambda row: row.endpoint.in_(of_endpoints("deleted")))
            return merged(LISTING, part, [found("discarded"), of_deleted])
    return found(state)


def waits() -> ColumnElement[bool]:
    """The condition that a delivery is pending or held, and not discarded because its endpoint was deleted."""
    deleted = select(_ENDPOINT.c.id).where(_ENDPOINT.c.state == "deleted")
    return and_(_T.c.state == "pending", _T.c.endpoint.not_in(deleted))


def with_attempts(connection: Connection, rows: Sequence[AnyRow]) -> tuple[RecordedDelivery, ...]:
    """The deliveries of these rows."""
    deliveries = [of_row(Delivery, row) for row in rows]
    if not deliveries:
        return ()
    # The statement is the same for any number of deliveries, so SQLAlchemy compiles it once. The first condition is for
    # SQLite, which uses no index for tuples.
    one_of = tuple_(_ATTEMPT.c.event, _ATTEMPT.c.endpoint).in_([(one.event, one.endpoint) for one in deliveries])
    mine = and_(_ATTEMPT.c.imp_uid.in_({one.imp_uid for one in deliveries}), one_of)
    attempts: dict[tuple[str, str], list[Attempt]] = {}
    for row in connection.execute(select(_ATTEMPT).where(mine).order_by(_ATTEMPT.c.at, _ATTEMPT.c.number)):
        attempts.setdefault((row.event, row.endpoint), []).append(Attempt(*row))
    ids = {one.endpoint for one in deliveries}
    found = connection.execute(select(_ENDPOINT.c.id, _ENDPOINT.c.state).where(_ENDPOINT.c.id.in_(ids)))
    states = {row.id: row.state for row in found}
    return tuple(
        RecordedDelivery(
            replace(one, state=shown_state(one.state, states.get(one.endpoint, "enabled"))),
            tuple(attempts.get((one.event, one.endpoint), ())),
        )
        for one in deliveries
    )
