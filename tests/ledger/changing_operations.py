"""What changes something that history shows, each prepared up to the moment before it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from ledger.keys import Lane
from ledger.refresh_lane import ClaimedPayment
from ledger.replays import Turn
from schemas.endpoints.delivery import Disable
from schemas.endpoints.events import EndpointEvent
from schemas.endpoints.health import EndpointHealth
from schemas.endpoints.replay_selection import Selected, Selection
from schemas.payments.snapshot import Snapshot
from tests.support.ledger_driver import TEST_BODY, Driver, Taker, notification, paid
from tests.support.reasons import because

Operation = Callable[[], Awaitable[object]]
LANE, REPLAYED = Lane("deliver", "ep_1"), Lane("replay", "ep_1")
GONE = because("answered 410 (gone)")


def shown(imp_uid: str, **fields: Any) -> Snapshot:
    """What i'mport shows of a payment: `imp_1` has two events, any other has one."""
    return paid(imp_uid, 100, **fields) if imp_uid == "imp_1" else paid(imp_uid, **fields)


async def accept(driver: Driver) -> Operation:
    """A webhook comes."""
    one = notification("imp_1")
    return lambda: driver.ledger.intake.accept(one)


async def commit(driver: Driver) -> Operation:
    """Two payments are refreshed together."""
    for imp_uid in ("imp_1", "imp_2"):
        await driver.accept(imp_uid)
    claimed = await driver.claim()
    return lambda: asyncio.gather(*(driver.commit(one, shown(one.record.imp_uid)) for one in claimed))


async def commit_and_claim(driver: Driver) -> Operation:
    """The same, by a worker that sends what becomes due."""
    Taker(100).take_from(driver.ledger)
    return await commit(driver)


async def commit_nothing_new(driver: Driver) -> Operation:
    """A payment is refreshed that has not changed."""
    await driver.look(shown("imp_1"))
    claimed = await _claimed(driver, "imp_1")
    return lambda: driver.commit(claimed, shown("imp_1"))


async def commit_a_cancellation(driver: Driver) -> Operation:
    """A payment is refreshed whose status has changed."""
    await driver.look(paid("imp_1"))
    claimed = await _claimed(driver, "imp_1")
    return lambda: driver.commit(claimed, shown("imp_1"))


def postpone(kind: Literal["stalled", "unknown", "rejected"]) -> Callable[[Driver], Awaitable[Operation]]:
    """A payment cannot be refreshed."""

    async def postponed(driver: Driver) -> Operation:
        claimed = await _claimed(driver, "imp_2")
        due_in = None if kind == "rejected" else 60.0
        return lambda: driver.ledger.refresh_lane.postpone(claimed, kind, due_in=due_in, reason=GONE)

    return postponed


async def hide(driver: Driver) -> Operation:
    """A payment turns out not to exist for its merchant."""
    claimed = await _claimed(driver, "imp_2")
    return lambda: driver.ledger.refresh_lane.hide(claimed, reason=GONE, now=1.0)


def settle(*verdicts: str) -> Callable[[Driver], Awaitable[Operation]]:
    """Callbacks have been answered."""

    async def settled(driver: Driver) -> Operation:
        for imp_uid in ("imp_1", "imp_2"):
            await driver.look(shown(imp_uid))
        results: dict[str, Callable[[Any], Awaitable[object]]] = {
            "delivered": driver.settle,
            "failed": driver.fail,
            "dead": driver.bury,
            "gone": lambda one: driver.settle(one, Disable(GONE)),
        }
        sent = zip(verdicts, await driver.take(LANE), strict=False)
        together = [(results[verdict], one) for verdict, one in sent]
        return lambda: asyncio.gather(*(result(one) for result, one in together))

    return settled


async def settle_replayed(driver: Driver) -> Operation:
    """The last callback of a replay has been answered."""
    await _replay(driver)
    one = await driver.take_one(REPLAYED)
    return lambda: driver.settle(one)


async def note_health(driver: Driver) -> Operation:
    """An endpoint has failed for long: it is disabled, and another endpoint hears of it."""
    await driver.subscribe("ep_2", types=("*",))
    event = EndpointEvent("evt_disabled", "endpoint.disabled", TEST_BODY)
    lane, after = driver.ledger.delivery_lane, EndpointHealth(failures=9)
    return lambda: lane.note_health("ep_1", EndpointHealth(), after, event, GONE)


async def retry(driver: Driver) -> Operation:
    """An operator has a dead delivery sent once more."""
    await driver.look(shown("imp_2"))
    one = await driver.take_one(LANE)
    await driver.bury(one)
    return lambda: driver.ledger.deliveries.retry(one.id)


async def send_test(driver: Driver) -> Operation:
    """An operator tries an endpoint."""
    return lambda: driver.ledger.deliveries.send_test("ep_1", "evt_test", TEST_BODY)


async def end_test(driver: Driver) -> Operation:
    """A test was not sent in time."""
    sent = await driver.ledger.deliveries.send_test("ep_1", "evt_test", TEST_BODY)
    return lambda: driver.ledger.deliveries.end_test(sent)


async def disable(driver: Driver) -> Operation:
    """An operator disables an endpoint."""
    return lambda: driver.ledger.endpoints.disable("ep_1", GONE)


async def enable(driver: Driver) -> Operation:
    """An operator enables it again."""
    await driver.look(shown("imp_1"))
    await driver.ledger.endpoints.disable("ep_1", GONE)
    return lambda: driver.ledger.endpoints.enable("ep_1")


async def update(driver: Driver) -> Operation:
    """An endpoint moves, and gives up its order."""
    await driver.look(shown("imp_1"))
    return lambda: driver.ledger.endpoints.update(
        "ep_1", lambda one: replace(one, url="https://example.com/2", ordered=False)
    )


async def delete(driver: Driver) -> Operation:
    """An endpoint is deleted, and what waits for it is discarded."""
    for imp_uid in ("imp_1", "imp_2"):
        await driver.look(shown(imp_uid))
    return lambda: driver.ledger.endpoints.delete("ep_1")


async def leave_out_test_channels(driver: Driver) -> Operation:
    """A merchant wants no payments of test channels any more."""
    merchants = driver.ledger.merchants
    await merchants.put("default", imp_key="", imp_secret="", include_sandbox=True)
    await driver.look(shown("imp_1", sandbox=True))
    return lambda: merchants.put("default", imp_key="", imp_secret="")


async def tidy_merchants(driver: Driver) -> Operation:
    """What waits for a merchant that was deleted long ago is given up."""
    await driver.ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    await driver.accept("imp_shop", merchant="shop")
    await driver.ledger.merchants.delete("shop")
    later = round(1000 * (await driver.ledger.now() + 1))
    return lambda: driver.ledger.cells[0].run("tidy_merchants", later, 100)


async def expect_an_amount(driver: Driver) -> Operation:
    """A merchant says what an order costs."""
    await driver.look(shown("imp_1"))
    return lambda: driver.ledger.payments.expect("default", "order", Decimal(1000), "KRW")


async def create_replay(driver: Driver) -> Operation:
    """A replay begins."""
    return lambda: driver.ledger.replays.create(Selection(endpoint="ep_1"), 1000, {0: 1})


async def queue_replay(driver: Driver) -> Operation:
    """A replay queues what it has selected."""
    turn, selected = await _turn(driver)
    return lambda: driver.ledger.replays.queue(turn, [selected], "1", is_end=True)


async def stop_replay(driver: Driver) -> Operation:
    """An operator stops a replay."""
    replay = await _replay(driver)
    return lambda: driver.ledger.replays.stop(replay)


async def _claimed(driver: Driver, imp_uid: str) -> ClaimedPayment:
    await driver.accept(imp_uid)
    return await driver.claim_one()


async def _turn(driver: Driver) -> tuple[Turn, Selected]:
    """The only turn of a replay, and the event that it selects: it was delivered."""
    await driver.look(shown("imp_2"))
    one = await driver.take_one(LANE)
    await driver.settle(one)
    replay = await driver.ledger.replays.create(Selection(endpoint="ep_1"), 1000, {0: 1})
    turn = await driver.ledger.replays.turn(replay.id, await driver.ledger.now() + 60)
    assert isinstance(turn, Turn)
    return turn, Selected(one.event, "ep_1", "default", "imp_2", one.type, 1, (1, 1))


async def _replay(driver: Driver) -> str:
    """A replay that has queued its only delivery."""
    turn, selected = await _turn(driver)
    await driver.ledger.replays.queue(turn, [selected], "1", is_end=True)
    return turn.replay.id


OPERATIONS: dict[str, tuple[tuple[str, ...], Callable[[Driver], Awaitable[Operation]]]] = {
    "accept": (("accept",), accept),
    "commit": (("commit",), commit),
    "commit and claim": (("commit",), commit_and_claim),
    "commit nothing new": (("commit",), commit_nothing_new),
    "commit a cancellation": (("commit",), commit_a_cancellation),
    "postpone: stalled": (("postpone_refresh",), postpone("stalled")),
    "postpone: unknown": (("postpone_refresh",), postpone("unknown")),
    "postpone: rejected": (("postpone_refresh",), postpone("rejected")),
    "hide": (("postpone_refresh",), hide),
    "settle: delivered": (("settle_deliveries",), settle("delivered")),
    "settle: dead": (("settle_deliveries",), settle("dead")),
    "settle: gone": (("settle_deliveries",), settle("gone")),
    "settle: two": (("settle_deliveries",), settle("delivered", "failed")),
    "settle a replayed one": (("settle_deliveries",), settle_replayed),
    "note health": (("note_health",), note_health),
    "retry": (("retry_delivery",), retry),
    "send a test": (("send_test",), send_test),
    "end a test": (("end_test",), end_test),
    "disable": (("disable_endpoint",), disable),
    "enable": (("enable_endpoint", "wake_deliveries"), enable),
    "update": (("update_endpoint", "wake_deliveries", "release_deliveries"), update),
    "delete": (("delete_endpoint", "discard_deliveries"), delete),
    "leave out test channels": (("put_merchant", "discard_sandbox_deliveries"), leave_out_test_channels),
    "tidy merchants": (("tidy_merchants",), tidy_merchants),
    "expect an amount": (("put_order",), expect_an_amount),
    "create a replay": (("create_replay",), create_replay),
    "queue a replay": (("queue_replay",), queue_replay),
    "stop a replay": (("stop_replay",), stop_replay),
}
"""By name: the scripts that it runs, and what prepares it."""
