"""What a replay sends again: recorded events, each with an endpoint that subscribes to it now, the oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.pages import AnyRow, Place, ms, oldest, place

Only = Literal["undelivered", "dead", "all"]

SLOW = 60.0
"""Seconds that counting may take: it reads every event of the window."""

_EVENT, _DELIVERY = tables.event, tables.delivery


@dataclass(frozen=True, slots=True)
class Recipient:
    """An endpoint that gets these types of its merchant's events."""

    endpoint: str
    merchant: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Which events: recorded in [since, until), UNIX seconds, silent ones too if asked; and which deliveries of them:
    those never delivered, the dead ones, or all. One that is pending is never sent again."""

    since: float | None
    until: float
    only: Only = "undelivered"
    include_silent: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """An event that is to be sent (again) to an endpoint."""

    event: str
    endpoint: str
    merchant: str
    imp_uid: str
    type: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Step:
    """Some of what is selected, of the events up to the place `after`; None when all events were looked at."""

    selected: tuple[Selected, ...]
    after: Place | None


class Selection:
    """Counts and walks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, recipients: Sequence[Recipient], window: Window) -> int:
        """How many deliveries a walk over all of the window would select now."""

        def read(connection: Connection) -> int:
            return sum(connection.execute(_count(one, window)).scalar() or 0 for one in recipients)

        return await self._database.read(read, SLOW)

    async def step(self, recipients: Sequence[Recipient], window: Window, after: Place | None, most: int) -> Step:
        """What is selected of the next events, `most` at most."""
        if not recipients:
            return Step((), None)
        merchants, types = ({value for one in recipients for value in values(one)} for values in (_merchant, _types))
        wanted = oldest(_EVENT, "recorded_at", after, most).where(
            *_in_window(window), _EVENT.c.merchant.in_(merchants), _EVENT.c.type.in_(types)
        )
        rows, states = await self._database.read(_read(wanted))
        selected = tuple(
            Selected(row.id, one.endpoint, row.merchant, row.imp_uid, row.type, row.sequence)
            for row in rows
            for one in recipients
            if _gets(one, row) and _is_wanted(window.only, states.get((row.id, one.endpoint)))
        )
        return Step(selected, place(rows[-1], "recorded_at") if len(rows) == most else None)


def _merchant(one: Recipient) -> tuple[str, ...]:
    return (one.merchant,)


def _types(one: Recipient) -> tuple[str, ...]:
    return one.types


def _gets(one: Recipient, row: AnyRow) -> bool:
    return bool(row.merchant == one.merchant and row.type in one.types and row.about != one.endpoint)


def _is_wanted(only: Only, state: str | None) -> bool:
    if state == "pending":
        return False
    return state == "dead" if only == "dead" else only == "all" or state != "delivered"


def _in_window(window: Window) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_EVENT.c.recorded_at < ms(window.until)]
    if window.since is not None:
        found.append(_EVENT.c.recorded_at >= ms(window.since))
    if not window.include_silent:
        found.append(_EVENT.c.silent.is_(False))
    return found


def _count(one: Recipient, window: Window) -> Select[Any]:
    mine = and_(
        _DELIVERY.c.imp_uid == _EVENT.c.imp_uid, _DELIVERY.c.event == _EVENT.c.id, _DELIVERY.c.endpoint == one.endpoint
    )
    if window.only == "dead":
        wanted: ColumnElement[bool] = exists().where(mine, _DELIVERY.c.state == "dead")
    else:
        kept = ("pending",) if window.only == "all" else ("pending", "delivered")
        wanted = ~exists().where(mine, _DELIVERY.c.state.in_(kept))
    about = or_(_EVENT.c.about.is_(None), _EVENT.c.about != one.endpoint)
    events = select(func.count()).select_from(_EVENT)
    return events.where(
        *_in_window(window), _EVENT.c.merchant == one.merchant, _EVENT.c.type.in_(one.types), about, wanted
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
