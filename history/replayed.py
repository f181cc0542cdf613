"""Which events a replay is to send again: how many, and in short stretches which, so that they can be put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database

STRETCH = 2_000
"""Events along the index that one step looks at."""
MOST = 500
"""Events that one step finds; a few more where they share a millisecond."""

_EVENT, _DELIVERY = tables.event, tables.delivery
_UNWANTED = {"all": ("pending",), "undelivered": ("pending", "delivered")}


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint to send to, and the types of events that it is to get."""

    endpoint: str
    merchant: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is sent again to any of the `targets`: events recorded after `after` and before `until` (ms). `only` is
    undelivered, dead or all; a pending delivery is never wanted."""

    targets: tuple[Target, ...]
    after: int
    until: int
    only: str
    include_silent: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Some events, as (merchant, imp_uid, id), the oldest first; all that are wanted before `reached` (ms)."""

    events: tuple[tuple[str, str, str], ...]
    reached: int


class Replayed:
    """Counts and finds events to send again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, wanted: Wanted) -> int:
        """How many deliveries that makes. Raises `HistoryUnavailable`."""

        def read(connection: Connection) -> int:
            counts = (
                select(func.count())
                .select_from(_EVENT)
                .where(_within(wanted.after, wanted.until), _is_for(one, wanted))
                for one in wanted.targets
            )
            return sum(connection.execute(one).scalar_one() for one in counts)

        return await self._database.read(read)

    async def some(self, wanted: Wanted) -> Found:
        """The oldest of these events. Raises `HistoryUnavailable`."""
        return await self._database.read(lambda connection: _some(connection, wanted))


def _some(connection: Connection, wanted: Wanted) -> Found:
    if not wanted.targets:
        return Found((), wanted.until)
    merchants = {one.merchant for one in wanted.targets}
    along = select(_EVENT.c.recorded_at).where(_within(wanted.after, wanted.until)).order_by(_EVENT.c.recorded_at)
    if len(merchants) == 1:
        along = along.where(_EVENT.c.merchant == next(iter(merchants)))
    last = connection.execute(along.offset(STRETCH - 1).limit(1)).scalar()
    reached = wanted.until if last is None else last + 1
    is_for_any = or_(*(_is_for(one, wanted) for one in wanted.targets))

    def found(until: int) -> Sequence[tuple[str, str, str, int]]:
        columns = (_EVENT.c.merchant, _EVENT.c.imp_uid, _EVENT.c.id, _EVENT.c.recorded_at)
        asked = select(*columns).where(_within(wanted.after, until), is_for_any).order_by(_EVENT.c.recorded_at)
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(asked)]

    rows = found(reached)
    if len(rows) > MOST:
        reached = rows[MOST - 1][3] + 1
    return Found(tuple(row[:3] for row in rows if row[3] < reached), reached)


def _within(after: int, until: int) -> ColumnElement[bool]:
    return and_(_EVENT.c.recorded_at > after, _EVENT.c.recorded_at < until)


def _is_for(target: Target, wanted: Wanted) -> ColumnElement[bool]:
    """Whether an event is to be sent (again) to an endpoint."""
    delivery = exists().where(
        _DELIVERY.c.imp_uid == _EVENT.c.imp_uid,
        _DELIVERY.c.event == _EVENT.c.id,
        _DELIVERY.c.endpoint == target.endpoint,
    )
    may_go: ColumnElement[bool]
    if wanted.only == "dead":
        may_go = delivery.where(_DELIVERY.c.state == "dead")
    else:
        may_go = ~delivery.where(_DELIVERY.c.state.in_(_UNWANTED[wanted.only]))
    of_type = and_(_EVENT.c.merchant == target.merchant, _EVENT.c.type.in_(target.types))
    about_another = or_(_EVENT.c.about.is_(None), _EVENT.c.about != target.endpoint)
    heard = () if wanted.include_silent else (_EVENT.c.silent.is_(False),)
    return and_(of_type, about_another, *heard, may_go)
