"""A recorder whose history, or whose Redis, is not what it was: everything is recorded all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from history import History
from history.pages import PageRequest
from history.write import Move
from ledger import Ledger
from ledger.jobs import REWRITE
from ledger.rewriting import PARTS
from ledger.stored_entries import whole_payment
from runtime.encryption import Sealer
from schemas.endpoints.events import EndpointEvent
from schemas.endpoints.health import EndpointHealth
from schemas.outbox.codec import pack
from schemas.outbox.entries import Audit, Event
from tests.ledger.rewriting import history_in, lost, record, written_again
from tests.support.ledger_driver import Driver, fixed, paid, queue_url
from tests.support.ledger_redis import key
from tests.support.reasons import because
from workers.rewrite import Rewriter


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    """An empty ledger, opened and named."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    await ledger.begin(Sealer([Fernet.generate_key().decode()]))
    yield ledger
    await ledger.close()


async def live(ledger: Ledger, driver: Driver) -> None:
    """A bit of everything."""
    await ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    lane = await driver.subscribe(types=("*",))
    await driver.subscribe("ep_other")
    await driver.look(paid("imp_1", 300, buyer_name="홍길동"))
    for delivery in await driver.take(lane):
        await driver.fail(delivery)
    await driver.look(paid("imp_2"))
    for delivery in await driver.take(lane):
        await driver.settle(delivery)
    await driver.accept("imp_pending", merchant="shop", extra=b'{"a": 1}')
    event = EndpointEvent("evt_failing", "endpoint.failing", b'{"timestamp":"2026-11-23T01:02:03Z","data":{}}')
    assert await ledger.delivery_lane.note_health("ep_other", EndpointHealth(), EndpointHealth(failures=9), event)
    await ledger.outbox.append([pack(Audit("aud_1", 1, "me", "payment.read"))])


async def test_a_lost_history_is_stored_entries(ledger: Ledger, tmp_path: Path) -> None:
    """All that the ledger holds is there again as it was, and nothing is there twice."""
    await live(ledger, Driver(ledger))
    was, told = await written_again(ledger, tmp_path)
    for name in ("about", "audit_entry", "recorder_place"):
        del was[name], told[name]
    assert told == was
    assert {name for name, rows in was.items() if rows} == {
        "notification", "payment", "event", "delivery", "attempt", "endpoint", "merchant"
    }  # fmt: skip


async def test_an_old_copy_learns_what_became_of_notifications(ledger: Ledger, tmp_path: Path) -> None:
    """Those that were settled since it was made, as long as the ledger has them; also of payments that never were."""
    driver = Driver(ledger)
    old, _ = await history_in(tmp_path, "old")
    applied, made_up, waits = [await driver.accept(name) for name in ("imp_1", "imp_2", "imp_3")]
    await record(ledger, old)
    for claimed in await driver.claim():
        match claimed.record.imp_uid:
            case "imp_1":
                await driver.commit(claimed, paid("imp_1"))
            case "imp_2":
                await ledger.refresh_lane.postpone(claimed, "rejected", due_in=None, reason=because("unknown"))
    await ledger.outbox.append([pack(Audit("aud_1", 1, "me", "payment.read"))])
    await ledger.outbox.trim_all({0: (await ledger.outbox.state_of(0)).last})
    await ledger.outbox.rewrite("0-0")
    await lost(ledger)
    while await Rewriter(ledger).step("rewrite_history", 0) is not None:
        await record(ledger, old)
    outcomes = [(await old.notifications.get(one.id)).outcome for one in (applied, made_up, waits)]
    assert outcomes == ["applied", "rejected", "pending"]
    await old.close()


async def events_in(history: History) -> list[Event]:
    """All events that history has, newest first."""
    found: list[Event] = []
    page = await history.events.list(PageRequest(200))
    while page.rows:
        found += page.rows
        if page.next_cursor is None:
            break
        page = await history.events.list(PageRequest(200, page.next_cursor))
    return found


async def test_a_long_history_is_written_again_in_parts(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event shows the object that it showed, whichever part it is in."""
    driver = Driver(ledger)
    first, _ = await history_in(tmp_path, "first")
    for deposits in (150, 151, 170, 171, 400):
        await driver.look(fixed(deposits))
    await record(ledger, first)
    monkeypatch.setattr("ledger.whole_events.MOST_EVENTS", 30)
    second, _ = await history_in(tmp_path, "second")
    await record(ledger, second)
    await lost(ledger)
    while await Rewriter(ledger).step("rewrite_history", 0) is not None:
        await record(ledger, second)
    was, again = [await events_in(one) for one in (first, second)]
    assert len(was) == 400
    assert again == was
    await first.close()
    await second.close()


async def test_what_changes_meanwhile_wins(ledger: Ledger, tmp_path: Path) -> None:
    """Whichever is recorded first."""
    driver = Driver(ledger)
    first, _ = await history_in(tmp_path, "first")
    await driver.look(paid("imp_1"))
    await record(ledger, first)
    second, _ = await history_in(tmp_path, "second")
    await record(ledger, second)
    await lost(ledger)
    read = await ledger.cells[0].run("read_whole_payment", "default", "imp_1")
    await driver.look(paid("imp_1", 1000))
    await ledger.outbox.append([pack(entry) for entry in whole_payment("default", "imp_1", read)])
    await record(ledger, second)
    assert (await second.payments.get("default", "imp_1")).status == "cancelled"
    await first.close()
    await second.close()


async def run_ahead(ledger: Ledger, history: History) -> tuple[str, int]:
    """History is an hour further than Redis, which came back with an old copy; the outbox's name, and when the copy
    ends (ms)."""
    name = ledger.outbox.name(await ledger.outbox.lead("me") or "", 0)
    place = await history.place(name)
    ms = int(place.partition("-")[0])
    assert await history.record_all([Move(name, place, f"{ms + 3_600_000}-7")], [])
    return name, ms


async def test_an_old_copy_of_redis_records_on(ledger: Ledger, tmp_path: Path) -> None:
    """Places go on behind those of history though the clock is behind them; an operator is told from when on."""
    driver = Driver(ledger)
    history, _ = await history_in(tmp_path, "history")
    await driver.look(paid("imp_1"))
    await record(ledger, history)
    name, ms = await run_ahead(ledger, history)
    await driver.look(paid("imp_2"))
    with_place = await ledger.outbox.state()
    assert with_place.waiting
    await record(ledger, history)
    assert (await history.payments.get("default", "imp_2")).status == "paid"
    assert int((await history.place(name)).partition("-")[0]) >= ms + 3_600_000
    client: Any = driver.redis
    since, _, until_ = (await client.get(key("old_copy"))).decode().partition(":")
    assert ms <= int(since) <= int(until_) < ms + 3_600_000
    await driver.look(paid("imp_3"))
    await record(ledger, history)
    assert (await history.payments.get("default", "imp_3")).status == "paid"
    await history.close()


async def test_nothing_waits_after_an_old_copy_of_redis(ledger: Ledger, tmp_path: Path) -> None:
    """What the copy has of the outbox is recorded already, and does not wait until something new is."""
    driver = Driver(ledger)
    history, _ = await history_in(tmp_path, "history")
    await driver.look(paid("imp_1"))
    await record(ledger, history)
    name, _ = await run_ahead(ledger, history)
    assert (await ledger.outbox.state()).waiting == 0
    items, _ = await ledger.outbox.read_checked({0: await history.place(name)}, 10)
    assert items == {0: []}
    assert (await ledger.outbox.state()).waiting == 0
    await history.close()


async def test_history_is_lost_after_an_old_copy_of_redis(ledger: Ledger, tmp_path: Path) -> None:
    """The outbox still has the mark of where it went on: the recorder reads it again from the beginning."""
    driver = Driver(ledger)
    first, _ = await history_in(tmp_path, "first")
    await driver.look(paid("imp_1"))
    await record(ledger, first)
    await run_ahead(ledger, first)
    await record(ledger, first)
    second, _ = await history_in(tmp_path, "second")
    await record(ledger, second)
    await driver.look(paid("imp_2"))
    await record(ledger, second)
    assert (await second.payments.get("default", "imp_2")).status == "paid"
    await first.close()
    await second.close()


async def test_an_emptied_redis_is_no_old_copy(ledger: Ledger, driver: Driver) -> None:
    """It was emptied between two calls of the recorder, and stays empty until it is restored."""
    client: Any = driver.redis
    await client.flushdb()
    assert await ledger.outbox.read_checked({0: "1700000000000-0"}, 10) == ({0: []}, set())
    assert await client.keys("*") == []


async def test_nothing_is_lost_where_nothing_was(ledger: Ledger, tmp_path: Path) -> None:
    """Two recorders that take turns, one of which is behind, mistake nothing for a loss."""
    driver = Driver(ledger)
    history, _ = await history_in(tmp_path, "history")
    for number in range(5):
        await driver.look(paid(f"imp_{number}"))
        await record(ledger, history)
    client: Any = driver.redis
    assert await client.exists(key("old_copy"), key("due", str(REWRITE))) == 0
    await history.close()


async def leave(ledger: Ledger) -> None:
    """Have everything leave that may."""
    later = await ledger.now() + 1
    while await ledger.retention.tidy(older_than=later):
        pass


async def test_nothing_leaves_before_it_is_written_again(ledger: Ledger, tmp_path: Path) -> None:
    """What was recorded in the lost history only counts as recorded again once it is in the new one; a place that was
    noted before says nothing about that."""
    driver = Driver(ledger)
    first, _ = await history_in(tmp_path, "first")
    names = [("default", f"imp_{number}") for number in range(3)]
    for _, imp_uid in names:
        await driver.look(paid(imp_uid))
    await leave(ledger)
    await record(ledger, first)
    second, _ = await history_in(tmp_path, "second")
    await record(ledger, second)
    await lost(ledger)
    await leave(ledger)
    assert ledger.retention.waits_for_history
    for _ in range(2 * len(PARTS)):  # all is written, but not recorded yet
        assert await Rewriter(ledger).step("rewrite_history", 0) is not None
    await leave(ledger)
    assert await ledger.cold.missing(names) == []
    await record(ledger, second)
    assert await Rewriter(ledger).step("rewrite_history", 0) is None
    await leave(ledger)
    assert await ledger.cold.missing(names) == names
    assert list(await second.whole_payments.records(names)) == names
    await first.close()
    await second.close()
