"""A real ledger and its model: whatever receivers, workers, operators and time may do is done to both alike."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Literal, TypeVar

import redis

from ledger import Ledger
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from ledger.leases import Lease
from ledger.refresh_lane import ClaimedPayment
from schemas.endpoints.delivery import Dead, Delivered, Disable, Verdict
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Policy, record_request
from tests.ledger.model import Model
from tests.support import stored_payments
from tests.support.ledger_driver import THEN, Driver, Taker, attempt, endpoint, notification, paid, queue_url
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import swept
from tests.support.reasons import because
from tests.support.redis_process import open_ledger

T = TypeVar("T")

PAYMENTS = ("imp_a", "imp_b", "imp_c")
ENDPOINTS = {"ep_ordered": True, "ep_loose": False}
ROOM = 2
HISTORY: tuple[tuple[int, ...], ...] = ((), (100,), (100, 200), (100, 200, 700))
"""What i'mport shows of a payment, look by look: how much was cancelled of it."""


class ModelledLedger:
    """Each method does something to both and asserts that they answer alike."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        with redis.Redis.from_url(url) as client:
            client.flushall()
            open_ledger(client)
        self.ledger = Ledger.connect(url, queue_url(url))
        self.driver = Driver(self.ledger)
        self.taker = Taker(0)
        self.taker.take_from(self.ledger)
        self.model = Model()
        self.shown = dict.fromkeys(PAYMENTS, 1)
        self.looks: list[ClaimedPayment] = []
        self.sends: list[ClaimedDelivery] = []
        for name, ordered in ENDPOINTS.items():
            self.run(self.ledger.endpoints.create(endpoint(name, ordered=ordered, max_in_flight=ROOM)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to the real ledger."""
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        """Let go of both."""
        self.run(self.ledger.close())
        self.loop.close()

    def happen(self, imp_uid: str) -> None:
        """Something happens to a payment at i'mport."""
        self.shown[imp_uid] = min(self.shown[imp_uid] + 1, len(HISTORY) - 1)

    def accept(self, imp_uid: str) -> None:
        """A webhook."""
        one = notification(imp_uid)
        self.run(self.ledger.intake.accept(one))
        self.model.accept(one.id, imp_uid)

    def accept_again(self, which: int) -> None:
        """A webhook that was accepted before, as from the spool. One that is settled costs a look (test_accept.py)."""
        pending = [name for name, webhook in self.model.webhooks.items() if webhook.outcome == "pending"]
        if not pending:
            return
        identity = pending[which % len(pending)]
        self.run(self.ledger.intake.accept(notification(self.model.webhooks[identity].imp_uid, id=identity)))

    def mark_dirty(self, imp_uid: str) -> None:
        """An operator asks for a refresh."""
        self.run(self.ledger.refresh_lane.mark_dirty("default", imp_uid))

    def claim(self, lane: Lane, limit: int) -> None:
        """A worker takes payments, all of them free, and is given what the model knows of each."""
        self.model.begin_claim(lane)
        for claimed in self.run(self.driver.claim(lane, limit)):
            self.model.claim(claimed.lease)
            assert claimed.record == self.model.record(claimed.record.imp_uid)
            self.looks.append(claimed)

    def commit(self, claimed: ClaimedPayment, back: int, most: int) -> None:
        """A look, ``back`` steps stale, maybe by somebody who has lost the lease or committed already. It claims up to
        ``most`` deliveries of an endpoint."""
        self.taker.number = most
        imp_uid = claimed.record.imp_uid
        snapshot = paid(imp_uid, *HISTORY[max(0, self.shown[imp_uid] - back)])
        change = self.driver.decide(claimed, snapshot)
        outcome = self.run(self.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN + 100))
        if not self.model.holds(claimed.lease):
            assert outcome == "lost"
            return
        if claimed.record.version != self.model.record(imp_uid).version:
            assert outcome == "changed"
            record = self.run(self.ledger.refresh_lane.record("default", imp_uid))
            assert record == self.model.record(imp_uid)
            change = self.driver.decide(claimed, snapshot, record)
            outcome = self.run(self.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN + 100))
        assert outcome == "ok"
        self.model.release(claimed.lease)
        self.model.write(change, ENDPOINTS)
        self.model.answer(claimed, "applied" if change.has_events else "unchanged")
        for each in self.taker.taken():
            self._taken(each.lane, each.deliveries)

    def postpone(self, claimed: ClaimedPayment, kind: Literal["stalled", "unknown", "rejected"]) -> None:
        """A refresh without a result; a payment that has a record is never unknown."""
        if self.model.record(claimed.record.imp_uid).version:
            kind = "stalled"
        due_in = None if kind == "rejected" else 0.0
        self.run(self.ledger.refresh_lane.postpone(claimed, kind, due_in=due_in, tries=1, reason=because("why")))
        if self.model.release(claimed.lease) and kind == "rejected":
            self.model.answer(claimed, "rejected")

    def ask_for_cancellation(self, imp_uid: str) -> None:
        """An operator notes that a cancellation was asked for."""
        record = self.model.record(imp_uid)
        if record.snapshot is None or record.requests:
            return
        change = record_request(
            record, CancellationRequest("can_1", None, "open", "api", requested_at=THEN), THEN + 50, Policy()
        )
        self.taker.number = 0  # operators' processes send nothing
        assert self.run(self.ledger.refresh_lane.commit(change, claimed=None, now=THEN)) == "ok"
        assert self.run(self.ledger.refresh_lane.commit(change, claimed=None, now=THEN)) == "changed"
        self.model.write(change, ENDPOINTS)

    def take(self, name: str, limit: int) -> None:
        """A worker takes deliveries, none out of order and no more than there is room for; only what was asked for goes
        past both."""
        lane = Lane("deliver", name)
        self._taken(lane, self.run(self.driver.take(lane, limit)))

    def _taken(self, lane: Lane, taken: Sequence[ClaimedDelivery]) -> None:
        name = lane.name
        if name not in self.model.disabled:
            self.model.begin_claim(lane, Lane("replay", name))
        assert not (taken and name in self.model.disabled)
        for delivery in taken:
            self.model.claim(delivery.lease)
            assert self.model.may_go(delivery, ENDPOINTS[name]), delivery.id
            self.sends.append(delivery)
        held = [self.model.deliveries[identity] for place, identity in self.model.holders if place == lane]
        assert sum(1 for one in held if not one.retried) <= ROOM

    def settle(self, delivery: ClaimedDelivery, verdict: Verdict) -> None:
        """An attempt's outcome, maybe twice, maybe too late."""
        made = attempt(isinstance(verdict, Delivered))
        answer = self.run(self.ledger.delivery_lane.settle(delivery.lease, verdict, [made]))
        assert (answer != "lost") == self.model.release(delivery.lease)
        if answer == "lost":
            return
        this = self.model.deliveries[delivery.id]
        if isinstance(verdict, Delivered | Dead):
            this.state = "delivered" if isinstance(verdict, Delivered) else "dead"
        if isinstance(verdict, Disable) and delivery.lease.token >= self.model.fresh_from.get(this.endpoint, 0):
            self.model.disabled.add(this.endpoint)

    def retry(self, which: int) -> None:
        """An operator has a delivery that is over sent again."""
        over = [name for name, one in self.model.deliveries.items() if one.state != "pending"]
        if not over:
            return
        this = self.model.deliveries[over[which % len(over)]]
        if this.endpoint not in self.model.disabled:
            self.run(self.ledger.deliveries.retry(over[which % len(over)]))
            this.state, this.retried = "pending", True

    def switch(self, name: str) -> None:
        """An operator disables an endpoint, or enables it."""
        if name in self.model.disabled:
            self.run(self.ledger.endpoints.enable(name))
            self.model.disabled.discard(name)
            self.model.fresh_from[name] = self.run(self.ledger.delivery_lane.health(name))[2]
        else:
            self.run(self.ledger.endpoints.disable(name, because("asked for")))
            self.model.disabled.add(name)

    def pause(self, lane: Lane) -> None:
        """i'mport fails."""
        self.run(self.ledger.refresh_lane.pause(lane, 5, because("i'mport answered 502")))

    def resume(self, lane: Lane) -> None:
        """i'mport answers again."""
        self.run(self.ledger.refresh_lane.resume(lane))

    def lose(self, lease: Lease) -> None:
        """A worker stands still for too long."""
        if self.model.holds(lease):
            self.run(self.driver.lose(lease))
            self.model.end(lease)

    def renew(self, *leases: Lease) -> None:
        """Workers that live on say so, maybe late."""
        self.ledger.leases.hold(leases)
        self.run(self.ledger.leases.renew())
        self.ledger.leases.drop(leases)
        for lease in leases:
            self.model.renew(lease)

    def release(self, lease: Lease) -> None:
        """A worker stops and gives back what it holds."""
        self.ledger.leases.hold([lease])
        self.run(self.ledger.leases.release())
        self.model.release(lease)

    def wait(self, seconds: float) -> None:
        """Time passes: a little, and workers renew what they hold; or too much for them."""
        self.run(self.driver.pass_time(seconds))
        if seconds > 10:
            self.model.end_all()
            return
        leases = [one.lease for one in self.looks] + [one.lease for one in self.sends]
        self.renew(*(lease for lease in leases if self.model.is_alive(lease)))

    def finish(self) -> None:
        """Whatever happened: honest workers that go only where the sweep sends them finish all of it."""
        for name in list(self.model.disabled):
            self.switch(name)
        for _ in range(40):
            self.run(self.driver.forget_kicks())
            lanes = self.run(swept(self.ledger))
            for lane in lanes:
                self._work(lane)
            if not lanes and not self.model.is_anything_left():
                return
            self.wait(70)
        raise AssertionError(f"left over: {self.model}")

    def _work(self, lane: Lane) -> None:
        done = len(self.looks), len(self.sends)
        if lane.kind in ("deliver", "replay"):
            self.take(lane.name, 100)
            for delivery in self.sends[done[1] :]:
                self.settle(delivery, Delivered())
            return
        self.claim(lane, 100)
        if self.looks[done[0] :]:
            self.run(self.ledger.refresh_lane.resume(lane))
        for claimed in self.looks[done[0] :]:
            self.commit(claimed, 0, 0)

    def agree(self) -> None:
        """Indexes, lanes, chains and leases agree with each other; outcomes and states with the model."""
        assert self.run(problems(self.ledger)) == []
        rows = self.run(self.driver.rows("dlv"))
        states = {name: rows[name]["state"] for name in self.model.deliveries}
        assert states == {name: one.state for name, one in self.model.deliveries.items()}
        outcomes = self.run(stored_payments.outcomes(self.driver.redis))
        assert outcomes == {name: webhook.outcome for name, webhook in self.model.webhooks.items()}
