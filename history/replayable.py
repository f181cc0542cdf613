"""What a replay sends again: recorded events, each with an endpoint that subscribes to it now, the oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.pages import AnyRow, Place, oldest, place
from schemas.endpoints.replay_selection import Only, Recipient, Selected, Selection
from schemas.times import ms

SLOW = 60.0
"""Seconds that counting may take: it reads every event."""

_EVENT, _DELIVERY = tables.event, tables.delivery

_NOT_AGAIN: Mapping[Only, tuple[str, ...]] = {"all": ("pending",), "undelivered": ("pending", "delivered")}
"""An event that has a delivery to the endpoint in one of these states is not sent again."""


@dataclass(frozen=True, slots=True)
class Step:
    """The deliveries selected from the events up to the place `after`, which is None when all events were read."""

    selected: tuple[Selected, ...]
    after: Place | None


class Replayable:
    """Counts and walks through what a replay selects, of the events recorded before `until` (UNIX seconds)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, recipients: Sequence[Recipient], selection: Selection, until: float) -> int:
        """How many deliveries a walk to the end would select now."""

        def read(connection: Connection) -> int:
            return sum(connection.execute(_count(one, selection, until)).scalar() or 0 for one in recipients)

        return await self._database.read(read, SLOW)

    async def step(
        self, recipients: Sequence[Recipient], selection: Selection, until: float, after: Place | None, most: int
    ) -> Step:
        """The deliveries selected from the next events, of which it reads `most` at most."""
        if not recipients:
            return Step((), None)
        merchants, types = ({value for one in recipients for value in values(one)} for values in (_merchant, _types))
        wanted = oldest(_EVENT, "recorded_at", after, most).where(
            *_in_window(selection, until), _EVENT.c.merchant.in_(merchants), _EVENT.c.type.in_(types)
        )
        rows, states = await self._database.read(_read(wanted))
        selected = tuple(
            Selected(row.id, one.endpoint, row.merchant, row.imp_uid, row.type, row.sequence, place(row, "recorded_at"))
            for row in rows
            for one in recipients
            if _gets(one, row) and _is_wanted(selection.only, states.get((row.id, one.endpoint)))
        )
        return Step(selected, place(rows[-1], "recorded_at") if len(rows) == most else None)


def _merchant(one: Recipient) -> tuple[str, ...]:
    return (one.merchant,)


def _types(one: Recipient) -> tuple[str, ...]:
    return one.types


def _gets(one: Recipient, row: AnyRow) -> bool:
    return bool(
        row.merchant == one.merchant
        and row.type in one.types
        and row.about != one.endpoint
        and (one.include_sandbox or not row.sandbox)
    )


def _is_wanted(only: Only, state: str | None) -> bool:
    return state == "dead" if only == "dead" else state not in _NOT_AGAIN[only]


def _in_window(selection: Selection, until: float) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_EVENT.c.recorded_at < ms(until)]
    if selection.since is not None:
        found.append(_EVENT.c.recorded_at >= ms(selection.since))
    if not selection.include_silent:
        found.append(_EVENT.c.silent.is_(False))
    return found


def _count(one: Recipient, selection: Selection, until: float) -> Select[Any]:
    mine = and_(
        _DELIVERY.c.imp_uid == _EVENT.c.imp_uid, _DELIVERY.c.event == _EVENT.c.id, _DELIVERY.c.endpoint == one.endpoint
    )
    if selection.only == "dead":
        wanted: ColumnElement[bool] = exists().where(mine, _DELIVERY.c.state == "dead")
    else:
        wanted = ~exists().where(mine, _DELIVERY.c.state.in_(_NOT_AGAIN[selection.only]))
    about = or_(_EVENT.c.about.is_(None), _EVENT.c.about != one.endpoint)
    shown = () if one.include_sandbox else (_EVENT.c.sandbox.is_(False),)
    events = select(func.count()).select_from(_EVENT)
    return events.where(
        *_in_window(selection, until),
        _EVENT.c.merchant == one.merchant,
        _EVENT.c.type.in_(one.types),
        about,
        wanted,
        *shown,
    )


def _read(wanted: Select[Any]) -> Any:
    def read(connection: Connection) -> tuple[Sequence[AnyRow], dict[tuple[str, str], str]]:
        rows = connection.execute(wanted).all()
        if not rows:
            return rows, {}
        states = select(_DELIVERY.c.event, _DELIVERY.c.endpoint, _DELIVERY.c.state).where(
            _DELIVERY.c.imp_uid.in_({row.imp_uid for row in rows}), _DELIVERY.c.event.in_([row.id for row in rows])
        )
        return rows, {(event, endpoint): state for event, endpoint, state in connection.execute(states)}

    return read
