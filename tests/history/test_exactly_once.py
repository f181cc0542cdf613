"""Recording is exactly once: however batches are cut, repeated, raced for and killed, history is the same."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.engine import Connection

from history import History, tables
from history.batch import Packed
from history.connection import Database
from history.write import Move
from runtime.history_url import parse
from schemas.outbox import entries as e
from tests.support.outbox_entries import NOW, change_of, delivered, of_look, of_payment, packed, paid
from tests.support.payments import T0, entry
from tests.support.processes import ROOT, clean_environ
from tests.support.warm_python import WarmProcess

_outboxes = (f"outbox-{number}" for number in itertools.count())
_SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def story() -> list[e.Entry]:
    """What an outbox holds of some payments, as it happens: looks again, retries, notifications settled later."""
    entries: list[e.Entry] = []
    for number in range(3):
        entries += of_payment(number, at=NOW + number)
        first = change_of(paid(imp_uid=f"imp_{number:012d}", merchant_uid=f"order-{number}"))
        rows = [entry(100, T0 + 500, f"c{number}")]
        later = change_of(
            paid(imp_uid=f"imp_{number:012d}", merchant_uid=f"order-{number}", cancel_amount=100, cancel_history=rows),
            before=first.record,
        )
        looked = of_look(later, NOW + 1000 + number, first_at=NOW + number)
        entries += looked
        made, attempt, ended = delivered(next(one for one in looked if isinstance(one, e.Event)), NOW + 2000)
        entries += [made, replace(made, state="dead", attempts=1, revision=NOW + 2100), attempt, ended]
        late = e.Notification(f"ntf_late_{number}", "default", f"imp_{number:012d}", received_at=NOW + 3000)
        entries += [late, replace(late, outcome="unchanged", revision=1)]
    return entries


STORY = story()


def rows_of(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All that history holds, without the order in which rows were written."""
    found = {}
    for table in tables.metadata.sorted_tables:
        if table not in (tables.place, tables.about):
            columns = [column for column in table.c if column.name != "n"]
            found[table.name] = sorted(map(tuple, connection.execute(select(*columns))), key=repr)
    return found


def empty(connection: Connection) -> None:
    """Remove every row but the places."""
    for table in tables.metadata.sorted_tables:
        if table not in (tables.place, tables.about):
            connection.execute(delete(table))


async def record_all(history: History, outbox: str, entries: Sequence[Packed]) -> None:
    """Record entries in one batch."""
    after = await history.place(outbox)
    first = int(after.partition("-")[0])
    assert await history.record_all([Move(outbox, after, f"{first + 1}-0")], entries)


@pytest.fixture
async def expected(history: History, database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What history holds after the story, recorded entry by entry; it is empty again."""
    for one in packed(STORY):
        await record_all(history, "entry by entry", [one])
    found = await database.read(rows_of)
    await database.write(empty)
    return found


@_SLOW
@given(cuts=st.sets(st.integers(1, len(STORY) - 1), max_size=8), again=st.lists(st.integers(0, 8), max_size=4))
async def test_any_cut_and_any_repeat(
    history: History, database: Database, expected: Any, cuts: set[int], again: list[int]
) -> None:
    """Batches cut anywhere leave what single entries leave; written again (a ledger that writes what it holds), older
    ones after newer ones, they change nothing."""
    await database.write(empty)
    edges = [0, *sorted(cuts), len(STORY)]
    batches = [packed(STORY[low:high]) for low, high in itertools.pairwise(edges)]
    outbox = next(_outboxes)
    for batch in batches:
        await record_all(history, outbox, batch)
    for place in again:
        await record_all(history, outbox, batches[place % len(batches)])
    assert await database.read(rows_of) == expected


async def test_things_in_any_order(history: History, database: Database, expected: Any) -> None:
    """What has a revision is as the greatest says, also when that comes first."""
    await record_all(history, "backwards", packed(STORY[::-1]))
    await record_all(history, "backwards", packed(STORY))
    found = await database.read(rows_of)
    assert found == expected


async def test_the_first_outcome_of_a_notification_stays(history: History) -> None:
    """One that is accepted again after it was settled (from a spool, after a lost answer) is looked at again, and
    settled again: alone or in one batch, history keeps what became of it at first, and what its body held."""
    one = e.Notification("ntf_again", "default", "imp_1", received_at=NOW, extra='{"a": 1}')
    first = replace(one, outcome="rejected", reason="{}", revision=1)
    again = [replace(one, received_at=NOW + 1, extra="{}"), replace(one, outcome="unchanged", revision=1)]
    for n, batches in enumerate(([[one, first, *again]], [[one], [first], [again[0]], [again[1]]])):
        for batch in batches:
            await record_all(history, f"again {n}", packed(batch))
        kept = await history.notifications.get("ntf_again")
        assert (kept.outcome, kept.reason, kept.received_at, kept.extra) == ("rejected", "{}", NOW, '{"a": 1}')


async def test_two_attempts_of_one_number(history: History) -> None:
    """A Redis that came back with an old copy counts again from what it has: both are there, in their order."""
    way = of_payment(1)
    first = next(row for row in way if isinstance(row, e.Attempt))
    before, after = (replace(first, number=2, at=NOW + at, status_code=code) for at, code in ((90, 500), (7000, 200)))
    third = replace(first, number=3, at=NOW + 900, status_code=503)
    assert await history.record_all([Move("07", "0-0", "1-0")], packed([*way, before, third]))
    assert await history.record_all([Move("07", "1-0", "2-0")], packed([after, before]))
    sent = await history.deliveries.get(f"{first.event}.{first.endpoint}")
    assert [(row.number, row.status_code) for row in sent.attempts] == [(1, 200), (2, 500), (3, 503), (2, 200)]


async def test_two_recorders(history: History, database: Database, history_url: str, expected: Any) -> None:
    """Two recorders of one outbox: each entry is written by one of them, once, and the other is told."""
    other = History.connect(parse(history_url))
    parts = [packed(STORY[low : low + 7]) for low in range(0, len(STORY), 7)]
    won = {"one": 0, "other": 0}

    async def run(name: str, one: History) -> None:
        while (after := await one.place("raced")) != f"{len(parts)}-0":
            place = int(after.partition("-")[0])
            written = await one.record_all([Move("raced", after, f"{place + 1}-0")], parts[place])
            won[name] += written
            await asyncio.sleep(0)

    await asyncio.gather(run("one", history), run("other", other))
    await other.close()
    assert sum(won.values()) == len(parts)
    assert await database.read(rows_of) == expected


async def test_a_place_that_is_gone(history: History, database: Database) -> None:
    """A batch behind another place than the outbox stands at is refused whole."""
    assert await history.record_all([Move("08", "0-0", "5-0")], packed(of_payment(1)))
    for after in ("0-0", "4-0", "6-0"):
        assert not await history.record_all([Move("08", after, "7-0")], packed(of_payment(2)))
    assert not await history.record_all([Move("09", "4-0", "7-0")], packed(of_payment(2)))
    assert await history.place("08") == "5-0"
    assert len((await database.read(rows_of))["payment"]) == 1


_WRITER = """
import asyncio, sys
from history import History
from history.write import Move
from runtime.history_url import parse
from tests.history.test_exactly_once import STORY
from tests.support.outbox_entries import packed

async def main():
    history = History.connect(parse(sys.argv[1]))
    print("ready", flush=True)
    while True:
        after = await history.place("killed")
        place = int(after.partition("-")[0])
        if place == len(STORY):
            return
        await history.record_all([Move("killed", after, f"{place + 1}-0")], packed(STORY[place:place + 1]))

asyncio.run(main())
"""


async def test_a_recorder_that_is_killed(history: History, database: Database, history_url: str, expected: Any) -> None:
    """SIGKILL at any moment: whoever goes on from the place finds nothing missing and nothing twice."""
    await history.place("killed")
    for pause in (0.0, 0.003, 0.01, 0.02, 0.04, 0.08):
        writer = WarmProcess(["-c", _WRITER, history_url], clean_environ(), ROOT)
        assert await asyncio.to_thread(writer.stdout.readline) == "ready\n"
        await asyncio.sleep(pause)  # the moment is what this is about
        writer.send_signal(signal.SIGKILL)
        assert await asyncio.to_thread(writer.wait) in (0, -signal.SIGKILL)
        writer.stdout.close()
        place = int((await history.place("killed")).partition("-")[0])
        left = History.connect(parse(history_url))
        assert await left.record_all([Move("killed", f"{place}-0", f"{place}-0")], [])
        await left.close()
    place = int((await history.place("killed")).partition("-")[0])
    upto = f"{len(STORY)}-0"
    assert await history.record_all([Move("killed", f"{place}-0", upto)], packed(STORY[place:]))
    assert await database.read(rows_of) == expected
