"""A ledger of many cells: each merchant in one of them, and what is about all of them added up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog

from history import History
from ledger import Ledger
from ledger.keys import Lane, cell_of
from ledger.opening import open_ledger, open_with
from ledger.servers import Command
from runtime.encryption import Sealer
from runtime.history_url import parse
from schemas.endpoints.replay_selection import Selection
from schemas.errors import BadSetting, LedgerNotOpen, LedgerUnavailable, NotFound, UnknownMerchant
from schemas.outbox.codec import pack
from schemas.outbox.entries import Event
from tests.support.histories import record_all
from tests.support.ledger_driver import Driver, notification, paid, queue_url
from tests.support.ledger_redis import CELLS, redis_of, swept
from tests.support.ledger_replaying import deliver_all
from tests.support.outbox_entries import of_payment
from tests.support.waiting import until
from workers.recorder import Recorder
from workers.replay import Replayer

SHOPS = tuple(f"shop{number}" for number in range(40))
KEY = "cHJldmlvdXMtdmVyc2lvbnMtb3duLWtleS0wMTIzNDU="


@pytest.fixture
async def many(redis_url: str) -> AsyncIterator[Ledger]:
    """A ledger of sixteen cells with forty merchants."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), cells=CELLS)
    for shop in SHOPS:
        await ledger.merchants.put(shop, imp_key="k", imp_secret="s")
    yield ledger
    await ledger.close()


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    """A history of the test's own."""
    history = History.connect(parse(f"sqlite:///{tmp_path / 'history.db'}"))
    await history.prepare()
    yield history
    await history.close()


def lane_of(shop: str) -> Lane:
    """Where a merchant's payments wait."""
    return Lane("refresh", shop, cell_of(shop, CELLS))


async def pay(ledger: Ledger, shop: str, imp_uid: str) -> None:
    """A webhook, and a look that finds a payment."""
    driver = Driver(ledger)
    await driver.accept(imp_uid, merchant=shop)
    assert await driver.commit(await driver.claim_one(lane_of(shop)), paid(imp_uid)) == "ok"


def test_a_merchants_cell_never_changes() -> None:
    """Whatever process asks, in whatever version: else its payments would be looked for where they are not."""
    assert [cell_of(name, 16) for name in ("default", "shop", "가맹점")] == [15, 2, 0]
    assert len({cell_of(shop, CELLS) for shop in SHOPS}) > 12


async def test_webhooks_of_many_merchants_are_one_round_trip(many: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is refused is refused alone; every other one is in the cell of its merchant."""
    servers, sent = many.cells.scripting.servers, list[list[str]]()
    send = servers.send

    async def noting(commands: list[Command], **options: Any) -> Any:
        sent.append([command.key for command in commands])
        return await send(commands, **options)

    await many.begin(Sealer([KEY]))
    await many.intake.accept(notification("imp_first", merchant=SHOPS[0]))  # script loaded, number of cells checked
    monkeypatch.setattr(servers, "send", noting)
    webhooks = [notification(f"imp_{shop}", merchant=shop) for shop in (*SHOPS[1:30], "nobody")]
    answers = await asyncio.gather(*map(many.intake.accept, webhooks), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 29 + [UnknownMerchant]
    assert (len(sent), len(set(sent[0]))) == (1, len({one.split("}")[0] for one in sent[0]}))
    for shop in SHOPS[1:30]:
        (claimed,) = (await many.refresh_lane.claim(lane_of(shop))).payments
        assert claimed.record.imp_uid == f"imp_{shop}"


async def test_things_are_found_without_their_merchant(many: Ledger) -> None:
    """An endpoint, an event, a delivery, a notification: as an operator names it."""
    driver = Driver(many)
    lanes = [await driver.subscribe(f"ep_{shop}", merchant=shop) for shop in SHOPS[:10]]
    for number, shop in enumerate(SHOPS[:10]):
        await pay(many, shop, f"imp_{number}")
        (sent,) = await driver.take(lanes[number])
        assert await driver.settle(sent) == "ok"
        assert (await many.deliveries.get(sent.id)).state == "delivered"
        assert (await many.events.get(sent.event)).merchant == shop
        waiting = await driver.accept(f"imp_waiting_{number}", merchant=shop)
        unrecorded = await many.notifications.unrecorded(waiting.id)
        assert unrecorded is not None
        assert unrecorded.merchant == shop
    found = await many.endpoints.some([f"ep_{shop}" for shop in SHOPS[:10]])
    assert [one.endpoint.merchant for one in found.values()] == list(SHOPS[:10])
    for nothing in (many.events.get("evt_no"), many.deliveries.get("evt_no.ep_shop1"), many.endpoints.get("ep_no")):
        with pytest.raises(NotFound):
            await nothing


async def test_what_is_about_all_is_added_up(many: Ledger) -> None:
    """Merchants, the newest endpoints, counts by the minute, what waits."""
    driver = Driver(many)
    for shop in SHOPS[:5]:
        await driver.subscribe(f"ep_{shop}", merchant=shop)
        await pay(many, shop, "imp_1")
        await driver.accept("imp_2", merchant=shop)
    await many.intake.count_refusals({"-:403": 2}, {})
    assert set(await many.merchants.names()) == {"default", *SHOPS}
    assert set(await many.intake.known_merchants()) == {"default", *SHOPS}
    assert [one.endpoint.id for one in await many.endpoints.newest(3)] == [f"ep_{shop}" for shop in SHOPS[4:1:-1]]
    stats = await many.stats()
    assert (stats.looks_due, stats.pending, stats.refused) == (5, 5, {"-:403": 2})
    minutes = await many.minutes(5)
    assert (sum(one.accepted for one in minutes), sum(one.refused for one in minutes)) == (10, 2)
    assert {str(lane) for lane in await swept(many)} == set()
    assert (await many.outbox.state()).waiting > 0


@pytest.mark.parametrize("after", ["open_ledger", "name_cell", "open in cells"])
async def test_redis_is_emptied_while_a_ledger_is_opened(
    many: Ledger, history: History, redis_url: str, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Nothing of it stays open, and no empty ledger is opened beside a history that is not: it can be restored."""
    name = await many.begin(Sealer([KEY]))
    await open_with(many.cells, name, history)
    await pay(many, SHOPS[0], "imp_1")
    await record_all(many, history)

    def emptied(step: str) -> None:
        if step == after:
            with redis.Redis.from_url(redis_url) as client:
                client.flushdb()

    shared_run, each = many.cells.shared.run, many.cells.each

    async def run(script: str, *args: Any, **options: Any) -> Any:
        answer = await shared_run(script, *args, **options)
        emptied(script)
        return answer

    async def in_each(script: str, *args: Any, **options: Any) -> Any:
        answers = await each(script, *args, **options)
        emptied("open in cells" if script == "open_ledger" else script)
        return answers

    monkeypatch.setattr(many.cells.shared, "run", run)
    monkeypatch.setattr(many.cells, "each", in_each)
    with pytest.raises(LedgerNotOpen):
        await open_ledger(many.cells, name)
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(LedgerNotOpen):
            await open_with(many.cells, await many.begin(Sealer([KEY])), history)
        with pytest.raises(LedgerNotOpen):
            await many.intake.accept(notification("imp_2", merchant=SHOPS[0]))
    assert await many.restoring.begin(await many.now()) is None


async def test_cells_that_were_named_alone_open_no_empty_ledger(many: Ledger, history: History, redis_url: str) -> None:
    """A process was killed after it had named the cells of a Redis that was emptied meanwhile."""
    name = await many.begin(Sealer([KEY]))
    await open_with(many.cells, name, history)
    await pay(many, SHOPS[0], "imp_1")
    await record_all(many, history)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    await many.cells.each("name_cell", name)
    with pytest.raises(LedgerNotOpen):
        await open_with(many.cells, await many.begin(Sealer([KEY])), history)
    assert await many.restoring.begin(await many.now()) is None


async def test_a_recorder_records_all_cells_in_few_transactions(many: Ledger, history: History) -> None:
    """Each outbox has its own place, and none is trimmed before history has it."""
    await open_with(many.cells, await many.begin(Sealer([KEY])), history)
    for shop in SHOPS[:10]:
        await pay(many, shop, "imp_1")
    recorder = Recorder(many.outbox, history, "me")
    recording = asyncio.create_task(recorder.step())

    async def all_recorded() -> bool:
        return not (await many.outbox.state()).waiting

    await until(all_recorded, "all is recorded")
    recording.cancel()
    for shop in SHOPS[:10]:
        assert (await history.payments.get(shop, "imp_1")).status == "paid"
    states = await many.outbox.states()
    assert [await history.place(state.name) for state in states] == [state.last for state in states]


async def test_an_entry_that_history_refuses_holds_up_its_own_cell_only(many: Ledger, history: History) -> None:
    """It is logged with its outbox and place; what came before it, and what all other cells hold, is recorded."""
    await many.begin(Sealer([KEY]))
    places = dict[tuple[int, int], str]()
    for cell in range(4):
        for number in range(3):
            entries = of_payment(number, merchant=f"of_cell{cell}")
            if (cell, number) == (1, 1):
                entries = [replace(one, sequence=2**63) if isinstance(one, Event) else one for one in entries]
            places[cell, number] = await many.outbox.append([pack(one) for one in entries], cell)
    with structlog.testing.capture_logs() as lines:
        recording = asyncio.create_task(Recorder(many.outbox, history, "me").step())
        await until(lambda: any(line["event"] == "outbox_not_readable" for line in lines), "the refusal is logged")
        recording.cancel()
    (line,) = [line for line in lines if line["event"] == "outbox_not_readable"]
    assert f":01/{places[1, 1]} " in line["error"]
    assert [state.waiting for state in await many.outbox.states()] == [0, 2, *[0] * 14]


async def test_a_replay_for_all_has_a_part_in_each_cell(many: Ledger, history: History) -> None:
    """What operators see of it is added up, and each part sends to its own endpoints only."""
    driver, shops = Driver(many), SHOPS[:8]
    lanes = {}
    for shop in shops:
        await pay(many, shop, f"imp_{shop}")
        lane = await driver.subscribe(f"ep_{shop}", merchant=shop, max_in_flight=64)
        lanes[shop] = lane._replace(kind="replay")
    await record_all(many, history)
    selection = Selection()
    now = await many.now()
    recipients = await many.endpoints.recipients(selection)
    assert recipients.keys() == {cell_of(shop, CELLS) for shop in shops}
    matched = {cell: await history.replayable.count(some, selection, now) for cell, some in recipients.items()}
    replay = await many.replays.create(selection, 1000.0, matched)
    assert (replay.matched, replay.rate, replay.parts) == (8, 1000.0, len(recipients))
    await record_all(many, history)
    replayer = Replayer(many, history)
    for cell in recipients:
        while await replayer.step(replay.id, now + 3600, cell) is not None:
            await record_all(many, history)
    assert (await many.replays.get(replay.id)).queued == 8
    assert [await deliver_all(driver, lanes[shop]) for shop in shops] == [1] * 8
    done = await many.replays.get(replay.id)
    assert (done.state, done.delivered) == ("done", 8)
    await record_all(many, history)
    assert len((await history.replays.parts([replay.id]))[replay.id]) == len(recipients)


async def test_another_number_of_cells_ends_the_start(many: Ledger, redis_url: str) -> None:
    """In one line; the ledger stays what it is."""
    await many.begin(Sealer([KEY]))
    other = Ledger.connect(redis_url, queue_url(redis_url), cells=8)
    with pytest.raises(BadSetting, match=r"^RELAY_CELLS=8 .* 16"):
        await other.begin(Sealer([KEY]))
    await other.close()
    await many.begin(Sealer([KEY]))


async def test_a_receiver_with_another_number_of_cells_takes_nothing(many: Ledger, redis_url: str) -> None:
    """Its webhooks would go to cells where no worker finds their merchants."""
    await many.begin(Sealer([KEY]))
    other = Ledger.connect(redis_url, queue_url(redis_url), cells=8)
    shop = next(shop for shop in SHOPS if cell_of(shop, CELLS) != cell_of(shop, 8))
    for taken in (other.intake.accept(notification("imp_1", merchant=shop)), other.intake.takes_webhooks(shop, None)):
        with pytest.raises(LedgerUnavailable, match="16 cells"):
            await taken
    with pytest.raises(BadSetting, match=r"^RELAY_CELLS=8 .* 16"):
        await other.intake.check_cells()
    await other.close()
    await many.intake.check_cells()
    await many.intake.accept(notification("imp_1", merchant=shop))


async def test_the_number_of_cells_is_checked_again_after_the_ledger_was_lost(many: Ledger, redis_url: str) -> None:
    """A lost ledger may be restored with another number of cells."""
    await many.begin(Sealer([KEY]))
    await many.intake.accept(notification("imp_1", merchant=SHOPS[0]))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        with pytest.raises(LedgerNotOpen):
            await many.intake.accept(notification("imp_1", merchant=SHOPS[0]))
        client.set("{relay}:cells", 8)
    with pytest.raises(LedgerUnavailable, match="8 cells"):
        await many.intake.accept(notification("imp_1", merchant=SHOPS[0]))


async def test_a_cell_that_was_lost_stays_closed_until_it_is_restored(
    many: Ledger, history: History, redis_url: str
) -> None:
    """Its merchants' webhooks are not taken; everybody else's are. Restoring puts back that cell and no other."""
    await open_with(many.cells, await many.begin(Sealer([KEY])), history)
    await pay(many, SHOPS[0], "imp_1")
    await record_all(many, history)
    lost = cell_of(SHOPS[0], CELLS)
    other = next(shop for shop in SHOPS if cell_of(shop, CELLS) != lost)
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys(f"{{relay:{lost:02}}}:*"))
    assert not await many.is_open()
    with pytest.raises(LedgerNotOpen, match=f"{lost:02}"):
        await open_with(many.cells, await many.begin(Sealer([KEY])), history)
    with pytest.raises(LedgerNotOpen):
        await many.intake.accept(notification("imp_2", merchant=SHOPS[0]))
    await many.intake.accept(notification("imp_2", merchant=other))
    assert await many.restoring.begin(await many.now()) == [lost]
    rows = [row async for row in history.restore.merchants()]
    assert await many.restoring.merchants(rows) == sum(cell_of(shop, CELLS) == lost for shop in SHOPS)
    await many.restoring.open(await many.begin(Sealer([KEY])), history)
    await many.restoring.end()
    await many.intake.accept(notification("imp_2", merchant=SHOPS[0]))
    assert await redis_of(many).exists(f"{{relay:{lost:02}}}:restoring") == 0
