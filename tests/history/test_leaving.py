"""What leaves history: what is old, in small steps; a buyer who is forgotten; and what a lost ledger gets back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.engine import Connection

from history import History, tables
from history.connection import Database
from history.pages import PageRequest
from schemas import wire
from schemas.compression import decompress
from schemas.outbox import cold_record, of_change
from schemas.outbox import entries as e
from schemas.payments.erased_record import erased
from tests.support.outbox_entries import ENDPOINT, NOW, change_of, of_look, of_payment, paid
from tests.support.payments import T0, deposit, entry
from tests.support.vacuum import vacuum

Record = Callable[..., Awaitable[None]]
DAY = 86_400_000


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each table has."""
    some = (table for table in tables.metadata.sorted_tables if table not in (tables.place, tables.about))
    found = {one.name: connection.execute(select(func.count()).select_from(one)).scalar_one() for one in some}
    return {name: count for name, count in found.items() if count}


async def tidy(history: History, before: float) -> int:
    """One round of retention; how many steps it took."""
    steps = 1
    while await history.retention.step(before):
        steps += 1
    return steps


async def test_what_is_old_and_settled_leaves(history: History, database: Database, record: Record) -> None:
    """With everything that belongs to it; what is younger stays whole."""
    await record(row for n in range(10) for row in of_payment(n, at=NOW + n * DAY))
    await record([e.Order("default", "order-1", "5"), e.Order("default", "order-8", "5")])
    await tidy(history, T0 + 5 * 86400)
    found = await database.read(counts)
    same = dict.fromkeys(("attempt", "delivery", "event", "notification", "payment"), 5)
    assert found == {**same, "order_expectation": 1}
    rows = (await history.payments.list(PageRequest())).rows
    assert [row.imp_uid for row in rows] == [f"imp_{n:012d}" for n in range(9, 4, -1)]


async def test_what_is_not_settled_stays(history: History, database: Database, record: Record) -> None:
    """A payment that is to be looked at again, one that changed lately, one with a delivery that waits; but not one
    whose delivery waits for an endpoint that was deleted."""
    ways = {n: of_payment(n, endpoint="ep_gone" if n == 4 else ENDPOINT) for n in range(5)}
    kept: list[e.Entry] = []
    for n, way in ways.items():
        for row in way:
            if isinstance(row, e.Payment) and n == 0:
                kept.append(replace(row, next_look_at=NOW + 9 * DAY))
            elif isinstance(row, e.Payment) and n == 1:
                kept.append(replace(row, changed_at=NOW + 9 * DAY))
            elif not (n in (2, 4) and isinstance(row, e.Delivery) and row.state == "delivered"):
                kept.append(row)
    await record([*kept, e.Endpoint("ep_gone", "default", "deleted")])
    assert [row.delivery.imp_uid[-1] async for row in history.restore.deliveries()] == ["2"]
    await tidy(history, T0 + 86400)
    assert {row.imp_uid[-1] for row in (await history.payments.list(PageRequest())).rows} == {"0", "1", "2"}
    assert (await database.read(counts))["notification"] == 3


async def test_what_belongs_to_no_payment(history: History, database: Database, record: Record) -> None:
    """Rejected webhooks, events about endpoints, replays, reconciliations and the audit leave by their own time."""
    about = e.Event("evt_about", "default", "", "endpoint.failing", recorded_at=NOW, about="ep_1", body=b"{}")
    waits = replace(about, id="evt_waits")
    sent = e.Delivery("evt_about", ENDPOINT, "default", "", "endpoint.failing", state="delivered", created_at=NOW)
    rows: list[e.Entry] = [
        e.Audit("aud_1", NOW, "alice", "look"), e.Audit("aud_2", NOW + 3 * DAY, "alice", "look"),
        e.Notification("ntf_1", "default", "imp_unknown", received_at=NOW, outcome="rejected"),
        about, waits, sent, replace(sent, event="evt_waits", state="pending"),
        e.Attempt("", "evt_about", ENDPOINT, 1, NOW), e.Replay("rpl_1", "done"), e.Replay("rpl_2", "running"),
        e.Reconciliation("rec_1", "default", "done"),
    ]  # fmt: skip
    await record(rows)
    await tidy(history, T0 + 86400)
    assert await database.read(counts) == {"audit_entry": 1, "event": 1, "delivery": 1, "replay": 1}


async def test_retention_goes_in_small_steps(
    history: History, database: Database, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step removes a few; one round passes what stays and ends; the next begins at the oldest again."""
    monkeypatch.setattr("history.retention.MOST", 4)
    rows = [
        replace(row, next_look_at=NOW + 9 * DAY)
        for n in range(6)
        for row in of_payment(n)
        if isinstance(row, e.Payment)
    ]
    await record([*rows, *(row for n in range(10, 20) for row in of_payment(n, at=NOW + 1))])
    before = (await database.read(counts))["payment"]
    assert await history.retention.step(T0 + 86400)
    assert before - (await database.read(counts))["payment"] <= 4
    assert await tidy(history, T0 + 86400) > 3
    assert (await database.read(counts))["payment"] == 6
    await record(row for row in of_payment(30))
    assert await tidy(history, T0 + 86400) > 1
    assert (await database.read(counts))["payment"] == 6


async def test_a_look_that_was_never_taken_holds_nothing(history: History, record: Record) -> None:
    """The look of a payment whose merchant was deleted is given up; one that is still to come is waited for."""
    for number, look in enumerate((NOW + DAY, NOW + 9 * DAY)):
        await record(
            replace(row, next_look_at=look) if isinstance(row, e.Payment) else row for row in of_payment(number)
        )
    await tidy(history, T0 + 5 * 86400)
    assert [row.imp_uid for row in (await history.payments.list(PageRequest())).rows] == ["imp_000000000001"]


PLANTED = "플랜티드"
SECRETS = (
    PLANTED,
    "planted@example.com",
    "010-9876-5432",
    "98765432109876",
    "심은예금주",
    "planted-cart",
    "입금자플랜",
)


def planted() -> list[e.Entry]:
    """A payment whose buyer stands everywhere that a buyer can."""
    way = of_payment(
        7, pay_method="vbank", buyer_name=PLANTED, buyer_email=SECRETS[1], buyer_tel=SECRETS[2], vbank_num=SECRETS[3],
        vbank_holder=SECRETS[4], custom_data=SECRETS[5], vbank_date=T0 + 900, cancel_amount=100,
        deposit_history=[deposit(1004, T0 + 20, "t1") | {"depositor_name": SECRETS[6]}],
        cancel_history=[entry(100, T0 + 30, "c1") | {"reason": f"{PLANTED} 님 변심"}],
    )  # fmt: skip
    for place, row in enumerate(way):
        if isinstance(row, e.Notification):
            way[place] = replace(row, extra=f'{{"who":"{PLANTED}"}}')
        if isinstance(row, e.Attempt):
            way[place] = replace(row, response=f"hello {PLANTED}")
    return way


async def everything(history: History) -> bytes:
    """All that history says of everybody, in exports and lists."""
    said = [
        piece
        for what in ("payments", "events", "deliveries", "notifications")
        for format_ in ("ndjson", "csv")
        async for piece in history.exports.stream(what, format_)
    ]
    payments = (await history.payments.list(PageRequest())).rows
    said += [decompress(row.snapshot) + decompress(row.record) + row.payer.encode() for row in payments]
    return b"".join(said)


async def test_a_buyer_is_forgotten(
    history: History, database: Database, record: Record, history_url: str, request: pytest.FixtureRequest
) -> None:
    """Nothing of the buyer is said any more, nor in the files once they were written anew; the rest is as it was."""
    await record([*planted(), *of_payment(8, buyer_name="김민수")])
    said = await everything(history)
    assert all(text.encode() in said for text in SECRETS)
    if not history_url.startswith("sqlite"):
        request.getfixturevalue("postgres_server").execute("ANALYZE", history_url.rpartition("/")[2])
    before = await history.payments.get("default", "imp_000000000007")
    await record([e.Erasure("default", "imp_000000000007", NOW + 5)])
    said = await everything(history)
    assert [text for text in SECRETS if text.encode() in said] == []
    assert "김민수".encode() in said
    after = await history.payments.get("default", "imp_000000000007")
    assert after == replace(before, snapshot=after.snapshot, record=after.record, payer="", erased_at=NOW + 5)
    old, new = (wire.loads(decompress(row.snapshot)) for row in (before, after))
    assert {name for name in old if old[name] != new[name]} == {
        "buyer_name", "buyer_email", "buyer_tel", "custom_data", "vbank_num", "vbank_holder", "deposit_history",
        "cancel_history",
    }  # fmt: skip
    assert (await history.find(PLANTED)).payments == ()
    await asyncio.to_thread(vacuum, history_url)
    for file in _files(history_url, request):
        with contextlib.suppress(FileNotFoundError):  # PostgreSQL may remove one of its caches at any moment
            content = file.read_bytes()
            assert [text for text in SECRETS if text.encode() in content] == [], file


def _files(history_url: str, request: pytest.FixtureRequest) -> list[Path]:
    if history_url.startswith("sqlite"):
        path = Path(history_url.removeprefix("sqlite:///"))
        return [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    server = request.getfixturevalue("postgres_server")
    server.execute("CHECKPOINT", "postgres")
    return [file for file in (server.directory / "data" / "base").rglob("*") if file.is_file()]


async def test_erasing_comes_through_the_outbox_as_well(history: History, record: Record) -> None:
    """In one batch with what it is about, before and after; an older entry brings nobody back."""
    way = planted()
    await record([*way, e.Erasure("default", "imp_000000000007", NOW + 5)])
    await record(way)
    said = await everything(history)
    assert [text for text in SECRETS if text.encode() in said] == []
    payment = await history.payments.get("default", "imp_000000000007")
    assert payment.erased_at == NOW + 5
    (damaged,) = [replace(row, revision=NOW + 8, record=b"?") for row in way if isinstance(row, e.Payment)]
    await record([damaged, e.Erasure("default", "imp_000000000007", NOW + 8, b"blank")])
    assert (await history.payments.get("default", "imp_000000000007")).record == b"blank"
    newer = next(replace(row, revision=NOW + 9) for row in way if isinstance(row, e.Payment))
    await record([newer])
    assert (await history.payments.get("default", "imp_000000000007")).erased_at == NOW + 5


async def test_an_erasure_behind_a_blank_payment(history: History, record: Record) -> None:
    """As the ledger tells it: the payment is blank already, and each event still says by itself who is meant."""
    way = planted()
    (known,) = [row for row in way if isinstance(row, e.Payment)]
    blank = erased(cold_record.load(known.merchant, known.imp_uid, known.record, known.snapshot), NOW + 5)
    await record([*way, of_change.of_payment(blank, NOW + 5, first_at=NOW, changed_at=NOW + 5)])
    await record([e.Erasure("default", "imp_000000000007", NOW + 5)])
    said = await everything(history)
    assert [text for text in SECRETS if text.encode() in said] == []


async def test_what_changes_after_an_erasure_stays(history: History, record: Record) -> None:
    """In one batch with it: facts that the record lacked would be found, and announced, once more."""
    first = change_of(paid(imp_uid="imp_000000000007"))
    erased_record = cold_record.dump(erased(first.record, NOW + 1))
    rows = [entry(1004, T0 + 500, "c1")]
    later = change_of(
        paid(imp_uid="imp_000000000007", status="cancelled", cancel_amount=1004, cancel_history=rows),
        before=erased(first.record, NOW + 1),
    )
    erasure = e.Erasure("default", "imp_000000000007", NOW + 1, erased_record)
    await record([*of_look(first, NOW), erasure, *of_look(later, NOW + 2)])
    payment = await history.payments.get("default", "imp_000000000007")
    assert payment.status == "cancelled"
    known = cold_record.load(payment.merchant, payment.imp_uid, payment.record, payment.snapshot)
    assert set(known.facts) == {"paid", "cancelled:c1"}


async def test_what_a_lost_ledger_gets_back(history: History, record: Record) -> None:
    """Merchants, endpoints, what is open or young, what was not delivered, and what was running."""
    old, open_, young, waiting = (of_payment(n, at=NOW + (n == 2) * 9 * DAY) for n in range(4))
    open_ = [replace(row, next_look_at=NOW + 1) if isinstance(row, e.Payment) else row for row in open_]
    waiting = [row for row in waiting if not isinstance(row, e.Delivery) or row.state == "pending"]
    registry: list[Any] = [
        e.Merchant("default", row=b"sealed"), e.Merchant("gone", deleted_at=NOW), e.Endpoint(ENDPOINT, "default"),
        e.Endpoint("ep_gone", "default", "deleted"), e.Replay("rpl_1", "running"), e.Replay("rpl_2", "done"),
        e.Reconciliation("rec_1", "default", "running"), e.Reconciliation("auto/default", "default", "done"),
        e.Order("default", "order-1", "5", changed_at=NOW + 9 * DAY), e.Order("default", "order-0", "5"),
    ]  # fmt: skip
    await record([*old, *open_, *young, *waiting, *registry])
    restore, since = history.restore, T0 + 86400
    assert [row.name async for row in restore.merchants()] == ["default"]
    assert [row.id async for row in restore.endpoints()] == [ENDPOINT]
    assert [row.imp_uid[-1] async for row in restore.payments(since)] == ["2", "1"]
    assert [row.merchant_uid async for row in restore.orders(since)] == ["order-1"]
    assert [row.id async for row in restore.replays()] == ["rpl_1"]
    assert [row.id async for row in restore.reconciliations()] == ["rec_1", "auto/default"]
    deliveries = [row async for row in restore.deliveries()]
    assert [(row.delivery.imp_uid[-1], len(row.attempts)) for row in deliveries] == [("3", 1)]
    assert (await history.events.get(deliveries[0].delivery.event)).imp_uid[-1] == "3"


async def test_restoring_many(history: History, database: Database, record: Record) -> None:
    """More than one step reads, each once."""
    rows = [row for n in range(1100) for row in of_payment(n, at=NOW + n // 100) if isinstance(row, e.Payment)]
    await record(rows)
    assert [row.imp_uid async for row in history.restore.payments(T0)] == [row.imp_uid for row in rows]
    await database.write(lambda connection: connection.execute(delete(tables.payment)))
    assert [row async for row in history.restore.payments(T0)] == []


async def test_whose_history_this_is(history: History, record: Record) -> None:
    """The first ledger that asks; another one is told whose it is, until it is handed over."""
    assert await history.owner() is None
    assert await history.adopt("ledger-1") == "ledger-1"
    assert await history.adopt("ledger-2") == "ledger-1"
    assert await history.is_empty()
    await record(of_payment(1))
    assert not await history.is_empty()
    await history.hand_over("ledger-2")
    assert await history.owner() == "ledger-2"


async def test_what_belongs_to_a_payment_is_found_by_its_imp_uid(history: History, database: Database) -> None:
    """Not by looking through all of its merchant's rows, once for each payment."""

    def plans(connection: Connection) -> list[str]:
        if connection.dialect.name == "postgresql":
            return []  # it knows by itself how many rows a merchant has
        tables_ = (tables.notification, tables.event, tables.delivery, tables.shared_object, tables.payment)
        removals = [delete(table).where(tables.belongs(table, "imp_1", "default")) for table in tables_]
        texts = [str(one.compile(connection, compile_kwargs={"literal_binds": True})) for one in removals]
        return [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()[-1][-1] for text in texts]

    assert [plan for plan in await database.read(plans) if "(imp_uid=?" not in plan] == []
