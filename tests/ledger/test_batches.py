"""What one call writes together is judged, counted and listed as if each part of it had come alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any

import orjson
import pytest

from ledger import Ledger, delivery_lane
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from ledger.packed_step import pack_step
from ledger.scripting import Argument, Call
from schemas.endpoints.delivery import Attempt, Dead, Delivered, Disable, Retry, Verdict
from schemas.endpoints.health import EndpointHealth
from schemas.endpoints.replay_selection import Selection
from schemas.errors import LedgerRefused
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.commit_steps import steps
from schemas.payments.decide import Policy, record_request
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, THEN, Driver, attempt, paid
from tests.support.ledger_redis import key
from tests.support.ledger_replaying import FAST, ReplayDriver, counts, drop_job, events, walk
from tests.support.reasons import because, said


async def counted(driver: Driver, each: str = "minute") -> Counter[str]:
    """What the minutes (or the days) say has happened; they are not kept for good."""
    found: Counter[str] = Counter()
    async for name in driver.redis.scan_iter(key(each, "*")):
        assert await driver.redis.ttl(name) > 0
        found.update({what.decode(): int(n) for what, n in (await driver.redis.hgetall(name)).items()})
    return found


async def of_endpoint(driver: Driver, name: str) -> tuple[str, int, int]:
    """Its state, and how many attempts it has taken and refused."""
    state, taken, refused = await driver.redis.hmget(key("endpoint", name), "state", "ok_count", "fail_count")
    return state.decode(), int(taken or 0), int(refused or 0)


async def together(*writes: Awaitable[str]) -> list[str]:
    """What is answered to writes that share a call."""
    return [*await asyncio.gather(*writes)]


async def settle(driver: Driver, delivery: ClaimedDelivery, verdict: Verdict, made: Sequence[Attempt]) -> str:
    """Settle a delivery after these attempts."""
    return await driver.ledger.delivery_lane.settle(delivery.lease, verdict, made)


async def test_a_batch_of_commits_is_one_call(ledger: Ledger, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty refreshes are written by one call; each event is counted, and each is in the lane of its endpoint."""
    lane = await driver.subscribe(max_in_flight=100)
    await asyncio.gather(*(driver.accept(f"imp_{n:02}") for n in range(50)))
    claimed = await driver.claim()
    names: list[str] = []
    run = ledger.cells.scripting.run

    async def noting(calls: Sequence[Call], *, durable: bool = False) -> list[Any]:
        names.extend(call.name for call in calls)
        return await run(calls, durable=durable)

    with monkeypatch.context() as patched:
        patched.setattr(ledger.cells.scripting, "run", noting)
        answers = await together(*(driver.commit(one, paid(one.record.imp_uid, 400)) for one in claimed))
    assert (answers, names) == (["ok"] * 50, ["commit"])
    assert await counted(driver) == {"accepted": 50, "events": 100}
    assert len(await driver.take(lane)) == 50
    assert (await driver.due(REFRESH), await driver.scores("leased", str(REFRESH))) == ({}, {})


async def test_one_payment_is_committed_once_in_a_call(driver: Driver) -> None:
    """Of a look and the same look once more the first counts, and so of a look and an operator's change that was
    decided before it: the other is told to read again, though nobody could have read in between."""
    await driver.look(paid())
    await driver.accept()
    claimed = await driver.claim_one()
    noted = record_request(
        claimed.record, CancellationRequest("can_1", None, "open", "api", requested_at=THEN), THEN, Policy()
    )
    looked = driver.decide(claimed, paid("imp_1", 300))
    commit = driver.ledger.refresh_lane.commit
    answers = await together(
        commit(looked, claimed=claimed, now=THEN),
        commit(looked, claimed=claimed, now=THEN),
        commit(noted, claimed=None, now=THEN),
    )
    assert answers == ["ok", "lost", "changed"]
    record = await driver.ledger.refresh_lane.record("default", "imp_1")
    assert (record.version, record.sequence, record.requests) == (2, 2, ())
    assert await counted(driver) == {"accepted": 2, "events": 2}

    noted = record_request(record, CancellationRequest("can_1", None, "open", "api", requested_at=THEN), THEN, Policy())
    assert await together(*(commit(noted, claimed=None, now=THEN) for _ in range(2))) == ["ok", "changed"]


async def test_webhooks_that_one_look_answers_are_one_piece_of_news(driver: Driver) -> None:
    """Three that were written together are answered together; the loss rate counts payments, not repetitions."""
    webhooks = await asyncio.gather(*(driver.accept(name) for name in ("imp_1", "imp_1", "imp_1", "imp_2")))
    claimed = await driver.claim()
    assert await together(*(driver.commit(one, paid(one.record.imp_uid)) for one in claimed)) == ["ok", "ok"]
    assert [await driver.outcome(one) for one in webhooks] == ["applied"] * 4
    assert await counted(driver, "day") == {"applied": 2}


async def test_payments_of_one_claim_have_each_their_own_tries(driver: Driver) -> None:
    """How often looks at one have failed says nothing about those that are claimed with it."""
    await driver.accept("imp_2")
    claimed = await driver.claim_one()
    await driver.ledger.refresh_lane.postpone(claimed, "again", due_in=0, tries=3)
    await driver.accept("imp_1")
    await driver.accept("imp_3")
    assert {one.record.imp_uid: one.tries for one in await driver.claim()} == {"imp_1": 0, "imp_2": 3, "imp_3": 0}


async def test_a_call_that_breaks_off_writes_nothing(ledger: Ledger, driver: Driver) -> None:
    """Lua does not roll back: what comes before a mistake must not be written half, and in no lane."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    await driver.accept("imp_2")
    claimed = await driver.claim_one()
    change = driver.decide(claimed, paid("imp_2"))
    step = pack_step(change, next(steps(change)), claimed, THEN, with_object=True).args
    one_of_two: dict[str, list[Argument]] = {
        "commit": [*ledger.delivery_lane.claim_of_commit(), 2, *step],
        "settle_deliveries": [2, *delivery_lane._settle_args(delivery.lease, Delivered(), [attempt()])],
    }
    for name, args in one_of_two.items():
        with pytest.raises(LedgerRefused):
            await ledger.cells[0].run(name, *args)
    assert list(await stored_payments.records(driver.redis)) == ["default/imp_1"]
    assert await driver.state(delivery) == "pending"
    assert (await driver.commit(claimed, paid("imp_2")), await driver.settle(delivery)) == ("ok", "ok")


async def test_looks_of_one_call_have_each_their_own_subscribers(ledger: Ledger, driver: Driver) -> None:
    """Another merchant's endpoints get nothing, and a silent refresh is silent for its payment only."""
    await ledger.merchants.put("other", imp_key="k", imp_secret="s")
    ours, theirs = await driver.subscribe("ep_ours"), await driver.subscribe("ep_theirs", merchant="other")
    await driver.mark_silently("imp_silent")
    await driver.accept("imp_1")
    await driver.accept("imp_2", merchant="other")
    claimed = [*await driver.claim(), *await driver.claim(REFRESH._replace(name="other"))]
    answers = await together(*(driver.commit(one, paid(one.record.imp_uid)) for one in claimed))
    assert answers == ["ok"] * 3
    assert (await driver.take_one(ours)).imp_uid == "imp_1"
    assert (await driver.take_one(theirs)).imp_uid == "imp_2"


async def test_one_delivery_is_settled_once_in_a_call(driver: Driver) -> None:
    """The first result counts, as if the second had come later."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 400))
    delivery = await driver.take_one(lane)
    answers = await together(driver.settle(delivery), driver.bury(delivery), driver.fail(delivery))
    assert answers == ["ok", "lost", "lost"]
    assert await driver.state(delivery) == "delivered"
    assert await counted(driver) == {"accepted": 1, "events": 2, "delivered": 1}
    following = await driver.take_one(lane)
    row = (await driver.rows("dlv"))[following.id]
    assert (following.type, "sent_after" in row) == ("payment.partially_cancelled", False)


async def test_settles_of_one_call_know_their_endpoints(ledger: Ledger, driver: Driver) -> None:
    """Which endpoint had failed before, which is disabled, and what each has got, is each one's own."""
    lanes = [await driver.subscribe(name) for name in ("ep_well", "ep_unwell", "ep_gone")]
    await driver.look(paid())
    assert await ledger.delivery_lane.note_health(
        "ep_unwell", EndpointHealth(), EndpointHealth(failures=1, failing_since=THEN)
    )
    well, unwell, gone = [await driver.take_one(lane) for lane in lanes]
    answers = await together(
        driver.settle(well), driver.settle(unwell), driver.settle(gone, Disable(because("answered 410 (gone)")))
    )
    assert answers == ["ok", "was_failing", "ok"]
    assert [await of_endpoint(driver, lane.name) for lane in lanes] == [
        ("enabled", 1, 0),
        ("enabled", 1, 0),
        ("disabled", 0, 1),
    ]
    assert await counted(driver) == {"accepted": 1, "events": 1, "delivered": 2, "failed": 1}
    assert await driver.state(gone) == "pending"
    errors = [(await ledger.endpoints.get(lane.name)).last_error for lane in lanes]
    assert list(map(said, errors)) == ["", "", "answered 410 (gone)"]


@pytest.mark.parametrize(
    ("verdict", "delivered", "failed", "used"),
    [
        (Delivered(), 1, 2, 1),
        (Retry(60, because("answered 500")), 0, 3, 1),
        (Disable(because("answered 410 (gone)")), 0, 3, 0),
    ],
)
async def test_attempts_of_one_turn(driver: Driver, verdict: Verdict, delivered: int, failed: int, used: int) -> None:
    """All but the last have failed, whatever became of that one; each is kept, and counted where attempts are. In the
    schedule they have one place."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    made = [attempt(ok=False), attempt(ok=False), attempt(ok=isinstance(verdict, Delivered))]
    assert await settle(driver, delivery, verdict, made) == "ok"
    kept = (await driver.ledger.deliveries.get(delivery.id)).attempts
    assert [one.status_code for one in kept] == [one.status_code for one in made]
    assert int((await driver.rows("dlv"))[delivery.id]["attempts"]) == used
    assert (await of_endpoint(driver, "ep_1"))[1:] == (delivered, failed)
    assert await counted(driver) == Counter(accepted=1, events=1, delivered=delivered, failed=failed)


async def test_a_hundred_attempts_are_kept(driver: Driver) -> None:
    """The latest of them, though several are written at once; each turn counts in the schedule."""
    lane = await driver.subscribe()
    await driver.look(paid())
    for number in range(35):
        made = [Attempt(float(4 * number + n), 500, 5, None, "", replay=False) for n in range(4)]
        assert await settle(driver, await driver.take_one(lane), Retry(0, because("answered 500")), made) == "ok"
    delivery = await driver.take_one(lane)
    rows = (await driver.rows("dlv"))[delivery.id]["log"].splitlines()
    assert [orjson.loads(row)["at"] for row in rows] == list(range(40, 140))
    assert delivery.attempts == 35


async def test_a_replay_counts_each_of_a_call(driver: Driver, replays: ReplayDriver) -> None:
    """Deliveries of a replay that end together are counted one by one, each once, and end it."""
    await events(driver, 3)
    await driver.subscribe()
    replay = await replays.create(Selection(endpoint="ep_1"), FAST)
    await walk(replays, replay)
    first, second, third = await driver.take(Lane("replay", "ep_1"))
    dead = Dead(because("dead after 1 attempt"))
    answers = await together(
        driver.settle(first), driver.settle(first), driver.settle(second, dead), driver.settle(third)
    )
    assert answers == ["ok", "lost", "ok", "ok"]
    assert await counts(driver, replay) == ("done", 3, 3, 2, 1)
    await drop_job(driver.ledger)
