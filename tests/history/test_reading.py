"""What was recorded is read as it was: payments, events to the byte, deliveries, notifications, what operators did."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from history import History, tables
from history.connection import PATIENCE, Database
from history.pages import PageRequest
from history.write import Move
from schemas.compression import decompress
from schemas.errors import NotFound
from schemas.outbox import cold_record
from schemas.outbox import entries as e
from tests.support.outbox_entries import ENDPOINT, NOW, change_of, delivered, of_look, of_payment, one, packed, paid
from tests.support.payments import deposit

Record = Callable[..., Any]
FIRST = PageRequest()


async def test_a_payment_with_all_that_belongs_to_it(history: History, record: Record) -> None:
    """The whole way of a payment, and each row is the entry that was written."""
    entries = of_payment(1)
    notification, event, attempt = one(entries, e.Notification), one(entries, e.Event), one(entries, e.Attempt)
    await record(entries)
    assert await history.payments.get("default", "imp_000000000001") == one(entries, e.Payment)
    got = await history.notifications.get(notification.id)
    assert got == replace(notification, outcome="applied", revision=1)
    read = await history.events.get(event.id)
    assert read == replace(event, body=decompress(event.body))
    found = await history.deliveries.get(f"{event.id}.{ENDPOINT}")
    assert (found.delivery, found.attempts) == (entries[-1], (attempt,))


async def test_a_body_is_the_callbacks_very_bytes(history: History, record: Record) -> None:
    """Also where a look's many events share one long object."""
    rows = [deposit(100, 1_700_000_000 + place, f"tid_{place}") for place in range(300)]
    change = change_of(paid(pay_method="vbank", vbank_num="110-1", amount=0, deposit_history=rows))
    entries = of_look(change)
    assert len(change.events) > 100
    assert sum(isinstance(entry, e.SharedObject) for entry in entries) == 1
    assert sum(len(entry.body) for entry in entries if isinstance(entry, e.Event)) < 100 * len(change.events) * 5
    await record(entries)
    for made in (change.events[0], change.events[77], change.events[-1]):
        assert (await history.events.get(made.id)).body == made.body
    of = await history.events.of_payments([("default", change.record.imp_uid)])
    assert [one.sequence for one in of["default", change.record.imp_uid]][-1] == len(change.events)


async def test_the_record_of_a_payment_that_has_left(history: History, record: Record) -> None:
    """A batch of looks asks once, and goes on from what comes back: the same look brings no news."""
    changes = [change_of(paid(imp_uid=f"imp_{place}")) for place in range(3)]
    await record(entry for change in changes for entry in of_look(change))
    names = [("default", f"imp_{place}") for place in range(5)]
    found = await history.payments.some(names)
    assert set(found) == set(names[:3])
    for change in changes:
        stored = found["default", change.record.imp_uid]
        loaded = cold_record.load("default", stored.imp_uid, stored.record, stored.snapshot)
        assert loaded == change.record
        assert change_of(paid(imp_uid=stored.imp_uid), before=loaded).events == ()


async def test_states_that_follow_from_the_endpoint(history: History, record: Record) -> None:
    """A pending delivery is held while its endpoint is disabled and discarded once that is deleted."""
    event = next(entry for entry in of_payment(1) if isinstance(entry, e.Event))
    endpoints = {"ep_a": "enabled", "ep_b": "disabled", "ep_c": "deleted", "ep_d": "deleted"}
    deliveries = [delivered(event, NOW, name)[0] for name in endpoints]
    deliveries[3] = replace(deliveries[3], state="discarded")
    await record([event, *deliveries, *(e.Endpoint(name, "default", state) for name, state in endpoints.items())])
    for state, names in {"pending": ["ep_a"], "held": ["ep_b"], "discarded": ["ep_d", "ep_c"], "dead": []}.items():
        page = await history.deliveries.list(FIRST, state=state)  # type: ignore[arg-type]
        assert [one.delivery.endpoint for one in page.rows] == names
        assert {one.delivery.state for one in page.rows} <= {state}


async def test_what_operators_set_up_and_did(history: History, record: Record) -> None:
    """Rows of the ledger's own come back as they were given; what was deleted is in no list."""
    merchant = e.Merchant("shop", NOW, NOW, None, b"sealed", 1)
    endpoint = e.Endpoint("ep_1", "shop", "enabled", NOW, NOW, "the shop", b"row", 1)
    replay = e.Replay("rpl_1", "running", NOW, NOW, b"row", 1)
    run = e.Reconciliation("rec_1", "shop", "done", NOW, NOW, b"row", 1)
    audit = e.Audit("aud_1", NOW, "alice", "endpoint.create", "ep_1", '{"url":"https://shop.example"}')
    gone = [replace(merchant, name="old", deleted_at=NOW), replace(endpoint, id="ep_0", state="deleted")]
    order = e.Order("shop", "order-1", "1000", "KRW", NOW, 1)
    await record([merchant, endpoint, replay, run, audit, order, *gone])
    assert (await history.merchants.list(FIRST)).rows == (merchant,)
    assert (await history.endpoints.list(FIRST, merchant="shop")).rows == (endpoint,)
    assert (await history.replays.list(FIRST)).rows == (replay,)
    assert (await history.reconciliations.list(FIRST)).rows == (run,)
    assert (await history.audit.list(FIRST, actor="alice")).rows == (audit,)
    assert (await history.audit.list(FIRST, actor="bob")).rows == ()
    assert await history.payments.orders("shop", ["order-1", "order-2"]) == [order]


async def test_what_is_not_there(history: History) -> None:
    """Whoever asks for one thing by a name that nothing has is told so."""
    for ask in (
        history.payments.get("default", "imp_0"),
        history.events.get("evt_0"),
        history.deliveries.get("evt_0.ep_0"),
        history.notifications.get("ntf_0"),
        history.endpoints.get("ep_0"),
    ):
        with pytest.raises(NotFound, match="there is no"):
            await ask


async def test_texts_that_a_database_refuses(history: History, record: Record) -> None:
    """NUL, half a surrogate pair and endless order numbers come from outside, and stop no batch."""
    entries = of_payment(1)
    await record([replace(one(entries, e.Payment), merchant_uid="9" * 5000, payer="\0" + "가" * 5000)])
    await record([one(entries, e.Event), entries[-1], replace(one(entries, e.Attempt), response="a\0b\ud800")])
    found = await history.deliveries.list(FIRST)
    assert found.rows[0].attempts[0].response == "a\ufffdb?"
    assert len((await history.payments.list(FIRST)).rows[0].merchant_uid) == 400


async def test_order_numbers_that_become_one(history: History, record: Record) -> None:
    """Of numbers that no index can tell apart the newest counts: they stop no batch."""
    uids = ["9" * 500 + "a", "9" * 500 + "b", "n\0", "n\ufffd"]
    await record(e.Order("default", uid, str(n), None, NOW, NOW + n) for n, uid in enumerate(uids))
    for uid, amount in (("9" * 400, "1"), ("n\ufffd", "3")):
        (order,) = await history.payments.orders("default", [uid])
        assert order.amount == amount


async def test_a_read_sees_one_state(history: History, database: Database) -> None:
    """Whatever is written between two of its questions: else a page would repeat rows or leave some out."""
    counted, written = threading.Event(), threading.Event()

    def pause(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_sleep(0.01)")  # others go on meanwhile
        else:
            time.sleep(0.01)

    def read(connection: Connection) -> list[int]:
        counts = [connection.execute(select(func.count()).select_from(tables.payment)).scalar_one()]
        counted.set()
        while not written.is_set():
            pause(connection)
        return [*counts, connection.execute(select(func.count()).select_from(tables.payment)).scalar_one()]

    reading = asyncio.create_task(database.read(read))
    assert await asyncio.to_thread(counted.wait, 30)
    assert await history.record_all([Move("07", "0-0", "1-0")], packed(of_payment(1)))
    written.set()
    assert await reading == [0, 0]


async def test_a_question_may_take_long(database: Database, history_url: str) -> None:
    """As long as whoever asks is patient: PostgreSQL does not break it off before."""
    if history_url.startswith("sqlite"):
        pytest.skip("SQLite breaks off no question")

    def limit(connection: Connection) -> Any:
        return connection.exec_driver_sql(
            "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'"
        ).scalar()

    assert await database.read(limit) == PATIENCE * 1000
    assert await database.read(limit, 60.0) == 60_000
    assert await database.read(limit) == PATIENCE * 1000


async def test_nul_is_asked_for_as_it_is_stored(history: History, record: Record) -> None:
    """PostgreSQL has no place for it, and refuses to compare with it: what is stored is found, and nothing fails."""
    await record([
        *of_payment(1, merchant_uid="order\0one"),
        e.Order("default", "order\0one", "1004", "KRW", NOW, 1),
        e.Audit("aud_1", NOW, "alice", "order.put", "order\0one"),
    ])  # fmt: skip
    found = await history.payments.list(FIRST, merchant_uid="order\0one")
    assert [row.imp_uid for row in found.rows] == ["imp_000000000001"]
    assert len(await history.payments.orders("default", ["order\0one"])) == 1
    assert len((await history.audit.list(FIRST, object_="order\0one")).rows) == 1
    for lists in (
        history.payments.list(FIRST, imp_uid="\0"), history.events.list(FIRST, imp_uid="\0"),
        history.deliveries.list(FIRST, endpoint="\0"), history.deliveries.list(FIRST, event="\0"),
        history.notifications.list(FIRST, imp_uid="\0"),
    ):  # fmt: skip
        assert (await lists).rows == ()
    for one_of in (history.events, history.deliveries, history.notifications, history.replays, history.reconciliations):
        with pytest.raises(NotFound):
            await one_of.get("\0.\0")
    assert await history.deliveries.some(["\0.\0"]) == {}
