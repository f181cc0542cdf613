"""Every list: its filters and windows, newest first, cursors that stay good, and an index for each."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection

from history import History
from history import events as history_events
from history import pages as history_pages
from history.connection import Database
from history.pages import Page, PageRequest
from schemas.errors import Invalid
from schemas.outbox import entries as e
from tests.support.outbox_entries import ENDPOINT, NOW, of_payment, one
from tests.support.payments import T0

Record = Callable[..., Awaitable[None]]
Lists = Callable[..., Awaitable[Page[Any]]]

FILTERS: dict[str, list[dict[str, Any]]] = {
    "payments": [
        {}, {"merchant": "default"}, {"merchant_uid": "order-3"}, {"status": "paid"}, {"status": "cancelled"},
        {"merchant": "shop", "status": "paid"}, {"imp_uid": "imp_000000000003"},
        {"merchant": "shop", "merchant_uid": "order-3"}, {"merchant": "default", "imp_uid": "imp_000000000003"},
    ],
    "events": [
        {}, {"merchant": "default"}, {"imp_uid": "imp_000000000003"}, {"type_": "payment.paid"},
        {"merchant": "shop", "type_": "payment.paid"}, {"merchant": "default", "imp_uid": "imp_000000000003"},
        {"type_": "payment.failed"}, {"merchant": "shop", "type_": "payment.failed"},
    ],
    "deliveries": [
        {}, {"endpoint": ENDPOINT}, {"state": "delivered"}, {"state": "dead"}, {"state": "pending"}, {"state": "held"},
        {"state": "discarded"}, {"merchant": "shop"}, {"type_": "payment.paid"}, {"type_": "payment.failed"},
        {"endpoint": ENDPOINT, "state": "dead"}, {"merchant": "shop", "type_": "payment.paid", "state": "delivered"},
    ],
    "notifications": [
        {}, {"merchant": "default"}, {"imp_uid": "imp_000000000003"}, {"outcome": "applied"}, {"outcome": "rejected"},
        {"merchant": "default", "outcome": "pending"},
    ],
    "merchants": [{}],
    "endpoints": [{}, {"merchant": "shop"}],
    "replays": [{}],
    "reconciliations": [{}, {"merchant": "shop"}],
    "audit": [{}, {"actor": "alice"}, {"action": "endpoint.create"}, {"object_": "ep_1"},
              {"actor": "a", "action": "b"}],
}  # fmt: skip
_CASES = [(name, filters) for name, some in FILTERS.items() for filters in some]
TIMES = {"payments": "first_at", "events": "recorded_at", "notifications": "received_at", "audit": "at"}


def _list(history: History, name: str) -> Lists:
    found: Lists = getattr(history, name).list
    return found


def _entry(row: Any) -> Any:
    return getattr(row, "delivery", row)


async def walk(lists: Lists, limit: int, **filters: Any) -> AsyncIterator[Any]:
    """All rows of a list, by pages."""
    cursor = None
    while True:
        page = await lists(PageRequest(limit, cursor), **filters)
        for row in page.rows:
            yield _entry(row)
        cursor = page.next_cursor
        if cursor is None:
            return


async def some_of_everything(record: Record) -> None:
    """Rows for every list, of two merchants."""
    ways = [
        of_payment(number, merchant="default" if number % 3 else "shop", at=NOW + number // 2 * 1000)
        for number in range(20)
    ]
    ways[1::6] = [[_failed(entry) for entry in way] for way in ways[1::6]]
    states = ["delivered", "dead", "pending", "pending", "discarded"]
    for number, way in enumerate(ways):
        for place, entry in enumerate(way):
            if isinstance(entry, e.Delivery) and entry.revision > NOW + number // 2 * 1000:
                to = ["ep_off" if number % 5 == 3 else ENDPOINT, states[number % 5]]
                way[place] = replace(entry, endpoint=to[0], state=to[1])
            if isinstance(entry, e.Notification) and entry.revision and number % 7 == 0:
                way[place] = replace(entry, outcome="rejected")
            if isinstance(entry, e.Payment) and number % 4 == 0:
                way[place] = replace(entry, status="cancelled")
    rows: list[e.Entry] = [entry for way in ways for entry in way if not _is_first_pending(entry)]
    rows += [e.Endpoint("ep_off", "default", "disabled", NOW), e.Endpoint(ENDPOINT, "shop", "enabled", NOW + 1)]
    rows += [e.Merchant(name, NOW) for name in ("default", "shop")]
    rows += [e.Replay(f"rpl_{n}", "done", NOW + n) for n in range(3)]
    rows += [e.Reconciliation(f"rec_{n}", "shop" if n else "default", "done", NOW + n) for n in range(3)]
    rows += [e.Audit(f"aud_{n}", NOW + n, "alice" if n % 2 else "bob", "endpoint.create", f"ep_{n}") for n in range(5)]
    await record(rows)


def _failed(entry: e.Entry) -> e.Entry:
    return replace(entry, type="payment.failed") if isinstance(entry, e.Event | e.Delivery) else entry


def _is_first_pending(entry: e.Entry) -> bool:
    return isinstance(entry, e.Delivery) and entry.attempts == 0


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_pages_of_any_size_are_one_list(history: History, record: Record, limit: int) -> None:
    """Every list with each of its filters: pages put together are the matching rows, each once, newest first."""
    await some_of_everything(record)
    for name, filters in _CASES:
        rows = [row async for row in walk(_list(history, name), limit, **filters)]
        everything = [row async for row in walk(_list(history, name), 200)]
        times = [getattr(row, TIMES.get(name, "created_at")) for row in rows]
        assert times == sorted(times, reverse=True), (name, filters)
        assert rows == [row for row in everything if _matches(row, filters)], (name, filters)


def _matches(row: Any, filters: dict[str, Any]) -> bool:
    return all(getattr(row, name.rstrip("_")) == value for name, value in filters.items())


@pytest.mark.parametrize("name", ["payments", "events", "deliveries", "notifications", "audit"])
async def test_windows_keep_their_edges(history: History, record: Record, name: str) -> None:
    """[since, until): what happened at since is in it, what happened at until is not."""
    await some_of_everything(record)
    times = {getattr(row, TIMES.get(name, "created_at")) / 1000 async for row in walk(_list(history, name), 200)}
    since, until = sorted(times)[1], sorted(times)[3]
    found = await _list(history, name)(PageRequest(200, since=since, until=until))
    inside = {getattr(_entry(row), TIMES.get(name, "created_at")) / 1000 for row in found.rows}
    assert inside == {at for at in times if since <= at < until}
    assert (await _list(history, name)(PageRequest(since=since, until=since))).rows == ()
    with pytest.raises(Invalid, match="must not be before since"):
        await _list(history, name)(PageRequest(since=until, until=since))


async def test_a_cursor_belongs_to_its_list(history: History, record: Record) -> None:
    """Another list's, a cut one and what never was one are invalid."""
    await some_of_everything(record)
    cursor = (await history.payments.list(PageRequest(limit=1))).next_cursor
    assert cursor is not None
    for wrong in (cursor[:-3], "x", "", "bm90aGluZw", cursor + "=="):
        with pytest.raises(Invalid, match="cursor"):
            await history.payments.list(PageRequest(cursor=wrong))
    for other in ("events", "deliveries", "notifications", "audit"):
        with pytest.raises(Invalid, match="is a cursor of another list"):
            await _list(history, other)(PageRequest(cursor=cursor))
    with pytest.raises(Invalid, match="is a cursor of another list"):
        await history.find("gildong", cursor=cursor)


async def test_lists_while_rows_come(history: History, record: Record) -> None:
    """Whoever pages while others write sees every row that was there, once, and in order."""
    for number in range(30):
        await record(of_payment(number, at=NOW + number))
    there = {f"imp_{number:012d}" for number in range(30)}

    async def write() -> None:
        for number in range(100, 130):
            await record(of_payment(number, at=NOW + number), outbox="08")
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    seen = [row.imp_uid async for row in walk(history.payments.list, 2)]
    await writing
    assert len(seen) == len(set(seen))
    assert set(seen) >= there
    assert seen == sorted(seen, reverse=True)


async def test_rare_rows_are_looked_for_in_steps(
    history: History, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page reads so many rows at most, and says where to go on, even if none of them matched."""
    monkeypatch.setattr(history_pages, "MOST", 10)
    for number in range(0, 60, 20):
        await record(
            entry
            for one in range(number, number + 20)
            for entry in of_payment(one, merchant="shop" if one == 2 else "default", at=NOW + one)
        )
    page = await history.deliveries.list(PageRequest(2), endpoint=ENDPOINT, merchant="shop")
    assert page.rows == ()
    assert page.next_cursor is not None
    found = [row.imp_uid async for row in walk(history.deliveries.list, 2, endpoint=ENDPOINT, merchant="shop")]
    assert found == ["imp_000000000002"]


async def test_usual_rows_are_found_at_once(history: History, record: Record) -> None:
    """A value that most rows have is in no index: few rows are read, and not all of a rare one's step."""
    await some_of_everything(record)
    usual: list[tuple[str, dict[str, Any]]] = [
        ("payments", {"status": "paid"}),
        ("events", {"type_": "payment.paid"}),
        ("deliveries", {"type_": "payment.paid"}),
    ]
    for name, filters in usual:
        with statements() as asked:
            page = await _list(history, name)(PageRequest(3), **filters)
        of_the_list = [statement for statement, _ in asked if "anon_1" in statement]
        assert len(page.rows) == 3, name
        assert len(of_the_list) == 1, name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(0, 5), min_size=1, max_size=25), limit=st.integers(1, 7))
async def test_rows_of_one_millisecond(history: History, record: Record, times: list[int], limit: int) -> None:
    """Pages lose and repeat nothing where many rows share their time."""
    batch = next(_batches)
    await record(e.Audit(f"aud_{batch}_{place}", NOW + at, f"a{batch}", "b") for place, at in enumerate(times))
    rows = [row.id async for row in walk(history.audit.list, limit, actor=f"a{batch}")]
    newest = sorted(range(len(times)), key=lambda place: (times[place], place), reverse=True)
    assert rows == [f"aud_{batch}_{place}" for place in newest]


_batches = itertools.count()


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is asked of databases, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_no_list_scans(history: History, database: Database, record: Record, history_url: str) -> None:
    """Every list reads along an index, and sorts no more than what belongs to one payment or one millisecond."""
    await some_of_everything(record)
    with statements() as asked:
        for name, filters in _CASES:
            lists = _list(history, name)
            page = await lists(PageRequest(limit=2), **filters)
            await lists(PageRequest(limit=2, cursor=page.next_cursor, since=T0 - 1, until=T0 + 90), **filters)
        with_event = next(iter((await history.deliveries.list(PageRequest(limit=1))).rows)).delivery
        await history.deliveries.list(PageRequest(), event=with_event.event)
        await history.deliveries.get(with_event.id)
        await history.payments.some([("default", "imp_1"), ("default", "imp_2")])
        await history.find("order-3")
    explain = _explain_sqlite if history_url.startswith("sqlite") else _explain_postgresql
    bad = await database.read(lambda connection: [f"{s}\n{p}" for s, v in asked for p in explain(connection, s, v)])
    assert len(asked) > 80
    assert bad == []


def _explain_sqlite(connection: Connection, statement: str, parameters: Any) -> list[str]:
    plan = _plans(connection, [(statement, parameters)])
    # Endpoints are few, and a step of rows is not a table.
    scans = [line for line in plan if re.match(r"SCAN \w+$", line) and not re.match(r"SCAN (anon_\d|endpoint$)", line)]
    is_one_payments = any("(imp_uid=?" in line for line in plan)
    sorts = [line for line in plan if "TEMP B-TREE FOR ORDER BY" in line and not is_one_payments]
    bounded = 1 if "anon_1" in statement else 0  # the rows of one step, of which some are kept
    return scans + sorts[bounded:]


def _plans(connection: Connection, asked: Sequence[tuple[str, Any]]) -> list[str]:
    """How SQLite would answer what was asked, line by line."""
    return [row[3] for s, v in asked for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {s}", v).all()]


def _explain_postgresql(connection: Connection, statement: str, parameters: Any) -> list[str]:
    # Small tables are scanned whatever there is: so the question is whether they have to be.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
    plan = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
    return [line for line in plan if "Seq Scan" in line and " on endpoint" not in line]


async def test_a_payments_events_are_found_by_its_imp_uid(
    history: History, database: Database, record: Record, history_url: str
) -> None:
    """Not by looking through all of its merchant's, once for each payment of a page."""
    if not history_url.startswith("sqlite"):
        pytest.skip("it knows by itself how many rows a merchant has")
    await some_of_everything(record)
    with statements() as asked:
        await history.events.of_payments([("default", "imp_1")])

    found = await database.read(lambda connection: _plans(connection, asked))
    assert any("(imp_uid=?" in plan for plan in found)
    assert [plan for plan in found if "(merchant=?)" in plan] == []


async def test_a_pages_events_are_one_question(history: History, record: Record) -> None:
    """However many payments a page has: of each its latest events, oldest first, as if it were alone; of none that was
    not asked for, not even one with the same imp_uid at another merchant."""
    names = [(merchant, f"imp_{number:012d}") for number in range(20) for merchant in ("default", "shop")]
    for place, (merchant, imp_uid) in enumerate(names):
        first = one(of_payment(place // 2, merchant=merchant), e.Event)
        rows = [
            replace(first, id=f"evt_{merchant}_{imp_uid}_{n}", sequence=n, recorded_at=NOW + n // 2)
            for n in range(place % 6)
        ]
        await record(rows)
    for most in (3, 200):
        asked_for = [name for place, name in enumerate(names) if place % 3]
        with statements() as asked:
            found = await history.events.of_payments(asked_for, most=most)
        assert len(asked) == 1
        assert list(found) == asked_for
        for place, (name, events) in enumerate(zip(names, map(found.get, names), strict=True)):
            if events is not None:
                assert [row.sequence for row in events] == list(range(place % 6))[-most:]
                assert {(row.merchant, row.imp_uid) for row in events} <= {name}
                assert await history.events.of_payments([name], most=most) == {name: events}
    assert await history.events.of_payments([]) == {}


async def test_a_payments_events_are_no_more_than_a_few_mb(
    history: History, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest of each payment, at least one; the ledger gives no more of one that it has, either."""
    names = [("default", f"imp_{number:012d}") for number in (1, 2)]
    for number in (1, 2):
        first = one(of_payment(number), e.Event)
        await record([replace(first, id=f"evt_{number}_{n}", sequence=n, recorded_at=NOW + n) for n in range(6)])
    size = len((await history.events.get("evt_1_0")).body)
    for most, expected in ((size * 3, [3, 4, 5]), (1, [5]), (size * 100, [0, 1, 2, 3, 4, 5])):
        monkeypatch.setattr(history_events, "MOST_BYTES", most)
        found = await history.events.of_payments(names)
        assert [[row.sequence for row in found[name]] for name in names] == [expected, expected]


async def test_batches_of_any_size_are_one_statement(
    history: History, record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLAlchemy keeps what it has compiled: statements of their own for each size took a worker's memory."""
    await some_of_everything(record)
    names = [("default", f"imp_{n}") for n in range(30)]
    rows = (await history.deliveries.list(PageRequest(limit=30))).rows
    with caplog.at_level("INFO", "sqlalchemy.engine"):
        for size in range(1, 30):
            await history.payments.some(names[:size])
            await history.events.of_payments(names[:size])
            await history.deliveries.list(PageRequest(limit=min(size, len(rows) - 1)))
    compiled = [line.getMessage() for line in caplog.records if "[generated in" in line.getMessage()]
    assert len(compiled) < 10


async def test_every_index_serves_a_list(
    history: History, database: Database, record: Record, history_url: str
) -> None:
    """None is there for nothing: each is in the plan of something that is asked."""
    if not history_url.startswith("sqlite"):
        pytest.skip("its plans name the index of every search")
    await some_of_everything(record)
    with statements() as asked:
        for name, filters in _CASES:
            await _list(history, name)(PageRequest(limit=2), **filters)
        await history.find("order-3")
        _ = [row async for row in history.restore.payments(T0)]

    def indexes(connection: Connection) -> list[str]:
        return list(
            connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type='index' AND name LIKE 'ix_%'"
            ).scalars()
        )

    seen = "\n".join(await database.read(lambda connection: _plans(connection, asked)))
    assert [name for name in await database.read(indexes) if f"{name} " not in seen and f"{name}\n" not in seen] == []
