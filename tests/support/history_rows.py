"""What history holds and what the ledger holds, in the same shape, so that a test can compare all of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database, open_database
from runtime.history_url import parse
from tests.support import stored_payments, stored_rows
from tests.support.ledger_state import LedgerState

PATIENCE = 60.0
"""Seconds in which all of history can be read, whatever else the machine does."""
MANY = 5
"""So many of a kind of difference are named."""


@dataclass
class Rows:
    """Everything about payments.

    notifications: id -> outcome; payments: merchant/imp_uid -> (sequence, status); events: id -> (imp_uid, sequence,
    type); deliveries: id -> (state, how many attempts).
    """

    notifications: dict[str, str] = field(default_factory=dict)
    payments: dict[str, tuple[int, str]] = field(default_factory=dict)
    events: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    deliveries: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each."""
        return {one.name: len(getattr(self, one.name)) for one in fields(self)} | {"attempts": self.attempts}

    @property
    def attempts(self) -> int:
        """How many of all deliveries."""
        return sum(count for _, count in self.deliveries.values())


def differences(history: Rows, ledger: Rows) -> list[str]:
    """In words, what one of them has and the other has not; nothing where history has everything exactly once."""
    found = []
    for name in (one.name for one in fields(Rows)):
        here, there = getattr(history, name), getattr(ledger, name)
        found += _named(f"{name} that history lacks", {one: there[one] for one in there.keys() - here.keys()})
        found += _named(f"{name} that only history has", {one: here[one] for one in here.keys() - there.keys()})
        other = {one: (here[one], there[one]) for one in here.keys() & there.keys() if here[one] != there[one]}
        found += _named(f"{name} that are otherwise in the ledger", other)
    return found


async def rows_of_history(url: str) -> Rows:
    """All that the history at this URL has. AssertionError where a delivery's attempts are not numbered 1, 2, 3, …"""
    database = open_database(parse(url))
    try:
        return await rows_in(database)
    finally:
        await database.close()


async def rows_in(database: Database) -> Rows:
    """The same of a database that is open: SQLAlchemy compiles its queries once for each."""
    return await database.read(_rows, PATIENCE)


async def rows_of_ledger(state: LedgerState) -> Rows:
    """All that the ledger has, found by its keys: no index of it needs to be right."""
    rows = Rows()
    rows.notifications |= await stored_payments.kept(state.redis)
    for identity, record in (await stored_payments.records(state.redis)).items():
        rows.payments[identity] = (int(record["sequence"]), record["status"])
    for name, row in (await stored_rows.read_all(state.redis)).items():
        kind, _, identity = name.partition(":")
        if kind == "evt":
            rows.events[identity] = (row["imp_uid"], int(row["sequence"]), row["type"])
        elif kind == "dlv":
            rows.deliveries[identity] = (row["state"], int(row.get("made", 0)))
    return rows


def _rows(connection: Connection) -> Rows:
    def read(*columns: Any) -> Any:
        return connection.execute(select(*columns)).all()

    notification, payment, event, delivery = (
        tables.notification.c, tables.payment.c, tables.event.c, tables.delivery.c,
    )  # fmt: skip
    numbers = _attempts(connection)
    rows = Rows(
        notifications=dict(read(notification.id, notification.outcome)),
        payments={
            f"{m}/{imp_uid}": (*rest,)
            for m, imp_uid, *rest in read(payment.merchant, payment.imp_uid, payment.sequence, payment.status)
        },
        events={id_: (*rest,) for id_, *rest in read(event.id, event.imp_uid, event.sequence, event.type)},
        deliveries={
            f"{id_}.{endpoint}": (state, len(numbers.pop(f"{id_}.{endpoint}", ())))
            for id_, endpoint, state in read(delivery.event, delivery.endpoint, delivery.state)
        },
    )
    assert not numbers, f"attempts of deliveries that are not there: {list(numbers)[:MANY]}"
    return rows


def _attempts(connection: Connection) -> dict[str, list[int]]:
    """The numbers of the attempts of each delivery."""
    attempt = tables.attempt.c
    found: dict[str, list[int]] = defaultdict(list)
    for event, endpoint, number in connection.execute(select(attempt.event, attempt.endpoint, attempt.number)):
        found[f"{event}.{endpoint}"].append(number)
    for identity, numbers in found.items():
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"attempts of {identity}: {sorted(numbers)}"
    return found


def _named(what: str, rows: Mapping[str, Any]) -> list[str]:
    some = ", ".join(f"{one}: {row}" for one, row in sorted(rows.items())[:MANY])
    return [f"{len(rows)} {what}: {some}"] if rows else []
