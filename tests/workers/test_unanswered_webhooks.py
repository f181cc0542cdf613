"""Webhooks that history shows as pending, and that no ledger has: they are answered after all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from history import History
from ledger import Ledger
from ledger.reconciliations import Reconciliation
from schemas.outbox.codec import pack
from schemas.outbox.entries import Notification as Entry
from tests.support.histories import record_all, sqlite_history
from tests.support.ledger_driver import Driver, notification, paid, queue_url
from workers.unanswered_webhooks import AGAIN_IN, ROUND_EVERY, STALE, STEP_EVERY, UnansweredJob


@dataclass
class Scene:
    """A ledger, its history, and the job."""

    ledger: Ledger
    history: History
    driver: Driver
    job: UnansweredJob

    async def step(self, later: float = STALE + 60) -> float:
        """One step, at a time when what came now is stale."""
        return await self.job.step("unanswered", time.time() + later)

    async def record(self) -> None:
        """History gets all that there is."""
        await record_all(self.ledger, self.history)

    async def pending(self, imp_uid: str, merchant: str = "default") -> str:
        """A webhook that only history has; its id."""
        one = notification(imp_uid, merchant=merchant)
        entry = Entry(
            one.id, merchant, imp_uid, "order", "paid", None, "127.0.0.1", True, round(time.time() * 1000), ""
        )
        await self.ledger.outbox.append([pack(entry)])
        await self.record()
        return one.id

    async def outcome(self, identity: str) -> tuple[str, str | None]:
        """What history says became of a webhook, and why."""
        row = await self.history.notifications.get(identity)
        return row.outcome, row.reason

    async def answer(self, *imp_uids: str) -> None:
        """What is due is looked up and found paid; history has the outcomes."""
        claimed = await self.driver.claim()
        assert sorted(one.record.imp_uid for one in claimed) == sorted(imp_uids)
        for one in claimed:
            assert await self.driver.commit(one, paid(one.record.imp_uid)) == "ok"
        await self.record()


@pytest.fixture
async def scene(redis_url: str) -> AsyncIterator[Scene]:
    """Both are empty."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    async with sqlite_history() as history:
        yield Scene(ledger, history, Driver(ledger), UnansweredJob(ledger, history))
    await ledger.close()


async def test_one_that_redis_has_lost_is_answered(scene: Scene) -> None:
    """It is accepted as it was, and its payment looked up; history gets the outcome."""
    lost = await scene.pending("imp_lost")
    assert await scene.step() == ROUND_EVERY
    (waiting,) = await scene.ledger.notifications.of_payment("default", "imp_lost", 10)
    row = await scene.history.notifications.get(lost)
    assert (waiting.id, round(waiting.received_at * 1000)) == (lost, row.received_at)
    await scene.answer("imp_lost")
    assert await scene.outcome(lost) == ("applied", None)
    assert await scene.step() == ROUND_EVERY
    assert await scene.ledger.notifications.of_payment("default", "imp_lost", 10) == []


async def test_one_that_waits_is_left_alone(scene: Scene) -> None:
    """i'mport may fail for days; and one that came just now may not be here yet."""
    await scene.driver.accept("imp_waiting")
    (claimed,) = await scene.driver.claim()
    await scene.ledger.refresh_lane.postpone(claimed, "again", due_in=3600)
    await scene.record()
    await scene.pending("imp_new")
    assert await scene.step(later=0) == ROUND_EVERY
    assert await scene.ledger.notifications.of_payment("default", "imp_new", 10) == []
    await scene.step()
    assert [one.record.imp_uid for one in await scene.driver.claim()] == ["imp_new"]


async def test_all_that_wait_for_a_payment_are_left_alone(scene: Scene) -> None:
    """However many there are, none of them counts as lost."""
    await asyncio.gather(*(scene.driver.accept("imp_1") for _ in range(1100)))
    await scene.record()
    with capture_logs() as lines:
        while await scene.step() != ROUND_EVERY:
            pass
    assert lines == []


async def test_what_was_announced_is_not_announced_again(scene: Scene) -> None:
    """The payment has left the ledger: it is put back first, and its facts are none that are new."""
    await scene.driver.look(paid("imp_old"))
    await scene.record()
    await scene.driver.tidy(older_than=await scene.ledger.now() + 60)
    assert await scene.ledger.cold.missing([("default", "imp_old")]) == [("default", "imp_old")]
    lost = await scene.pending("imp_old")
    await scene.step()
    await scene.answer("imp_old")
    assert await scene.outcome(lost) == ("unchanged", None)
    assert len((await scene.history.events.of_payments([("default", "imp_old")]))["default", "imp_old"]) == 1


async def test_an_outcome_that_was_there_stays(scene: Scene) -> None:
    """History is slow to learn of it: taking it up again costs a look-up and changes nothing."""
    one = await scene.driver.accept("imp_1")
    await scene.record()
    claimed = await scene.driver.claim_one()
    assert await scene.driver.commit(claimed, paid("imp_1")) == "ok"
    await scene.step()
    await scene.answer("imp_1")
    assert await scene.outcome(one.id) == ("applied", None)


async def test_one_of_no_merchant_is_rejected(scene: Scene) -> None:
    """It was deleted since, or is not put back: nothing would ever answer it."""
    lost = await scene.pending("imp_1", merchant="gone")
    await scene.step()
    await scene.record()
    assert await scene.outcome(lost) == ("rejected", '{"code":"merchant_deleted"}')


async def test_history_that_lacks_outcomes_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is behind, or it is written again."""
    await scene.pending("imp_1")
    await scene.driver.rewriting(True)
    assert await scene.step() == AGAIN_IN
    await scene.driver.rewriting(False)
    monkeypatch.setattr("workers.unanswered_webhooks.BEHIND", 0.0)
    await scene.driver.accept("imp_2")
    await asyncio.sleep(0.01)
    assert await scene.step() == AGAIN_IN
    assert await scene.ledger.notifications.of_payment("default", "imp_1", 10) == []


async def test_a_silent_comparison_is_waited_for(scene: Scene) -> None:
    """What an operator has recorded silently after an old copy is not to be delivered by a webhook of before."""
    await scene.pending("imp_1")
    run = Reconciliation("rec_1", "default", 0, 1, deliver=False, window=(0, 1, 1))
    await scene.ledger.reconciliations.begin(run)
    assert await scene.step() == ROUND_EVERY
    assert await scene.ledger.notifications.of_payment("default", "imp_1", 10) == []
    await scene.ledger.reconciliations.save(replace(run, state="done", window=None))
    await scene.step()
    assert len(await scene.ledger.notifications.of_payment("default", "imp_1", 10)) == 1


async def test_many_are_taken_up_in_steps(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step does some; the next one goes on behind it, past those that wait."""
    monkeypatch.setattr("history.notifications.STEP", 2)
    for number in range(5):
        await scene.pending(f"imp_{number}")
    assert [await scene.step() for _ in range(3)] == [STEP_EVERY, STEP_EVERY, ROUND_EVERY]
    assert len(await scene.driver.claim()) == 5
