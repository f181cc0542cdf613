"""The real ledger, driven at random, agrees with the model and is in order after every single operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger.delivery_lane import ClaimedDelivery
from ledger.leases import Lease
from ledger.refresh_lane import ClaimedPayment
from schemas.endpoints.delivery import Dead, Delivered, Disable, Retry
from tests.ledger.pair import ENDPOINTS, PAYMENTS, Pair
from tests.support.ledger_driver import REFRESH, UNKNOWN
from tests.support.redis_process import RedisServer

Held = TypeVar("Held", bound=ClaimedPayment | ClaimedDelivery)

LANES = (REFRESH, REFRESH, UNKNOWN)
VERDICTS = (
    *(Delivered(), Delivered(), Delivered(), Retry(30, "answered 500"), Retry(5, "answered 429", lane_wait=20)),
    *(Dead("dead after 12 attempts"), Disable("answered 410 (gone)")),
)
STEPS = {
    "receive": 5, "claim": 6, "commit": 6, "postpone": 3, "take": 6, "settle": 8, "retry": 3, "switch": 1, "lose": 3,
    "renew": 1, "release": 1, "wait": 3, "pause": 1, "resume": 1, "mark_dirty": 1, "cancel": 1,
}  # fmt: skip
"""What may happen next, and how often it does."""


class LedgerMachine(RuleBasedStateMachine):
    """Receivers, workers, operators and time, one after the other in any order.

    Hypothesis draws a seed for each run; what happens is drawn from that. Drawn one by one, most of its steps would
    repeat each other, and few runs would come to a delivery that is retried.
    """

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(self.url)
        self.rng = Random(0)

    @initialize(rng=st.randoms(use_true_random=True))
    def begin(self, rng: Random) -> None:
        """Webhooks for all payments; some of these are looked at already."""
        self.rng = rng
        for imp_uid in PAYMENTS:
            self.pair.accept(imp_uid)
        self.pair.claim(REFRESH, 100)
        for claimed in rng.sample(self.pair.looks, rng.randint(0, 3)):
            self.pair.commit(claimed, 0)

    @rule()
    def step(self) -> None:
        """Any one thing."""
        (name,) = self.rng.choices(list(STEPS), list(STEPS.values()))
        getattr(self, f"_{name}")()

    @invariant()
    def is_in_order(self) -> None:
        """After every step."""
        self.pair.agree()

    def teardown(self) -> None:
        """Nothing was forgotten: what the sweep tells of is enough to finish everything."""
        try:
            self.pair.finish()
            self.pair.agree()
        finally:
            self.pair.close()

    def _receive(self) -> None:
        imp_uid = self.rng.choice(PAYMENTS)
        if self.rng.random() < 0.5:
            self.pair.happen(imp_uid)
        if self.rng.random() < 0.3:
            self.pair.accept_again(self.rng.randrange(1000))
        else:
            self.pair.accept(imp_uid)

    def _claim(self) -> None:
        self.pair.claim(self.rng.choice(LANES), self.rng.choice((1, 100)))

    def _commit(self) -> None:
        self.pair.commit(self._one_of(self.pair.looks), self.rng.choice((0, 0, 1, 2)))

    def _postpone(self) -> None:
        self.pair.postpone(
            self._one_of(self.pair.looks), self.rng.choice(("stalled", "unknown", "unknown", "rejected"))
        )

    def _take(self) -> None:
        self.pair.take(self.rng.choice(list(ENDPOINTS)), self.rng.choice((1, 100)))

    def _settle(self) -> None:
        if self.pair.sends:
            self.pair.settle(self._one_of(self.pair.sends), self.rng.choice(VERDICTS))

    def _retry(self) -> None:
        self.pair.retry(self.rng.randrange(1000))

    def _switch(self) -> None:
        self.pair.switch(self.rng.choice([*self.pair.model.disabled, *ENDPOINTS]))

    def _lose(self) -> None:
        self.pair.lose(self._lease())

    def _renew(self) -> None:
        self.pair.renew(self._lease())

    def _release(self) -> None:
        self.pair.release(self._lease())

    def _wait(self) -> None:
        self.pair.wait(self.rng.choice((2.0, 2.0, 40.0)))

    def _pause(self) -> None:
        self.pair.pause(self.rng.choice(LANES))

    def _resume(self) -> None:
        self.pair.resume(self.rng.choice(LANES))

    def _mark_dirty(self) -> None:
        self.pair.mark_dirty(self.rng.choice(PAYMENTS), self.rng.choice((0, 5)))

    def _cancel(self) -> None:
        self.pair.ask_for_cancellation(self.rng.choice(PAYMENTS))

    def _lease(self) -> Lease:
        claimed: list[ClaimedPayment | ClaimedDelivery] = [*self.pair.looks, *self.pair.sends]
        return self._one_of(claimed).lease

    def _one_of(self, claimed: Sequence[Held]) -> Held:
        """Something claimed, mostly what is held still."""
        held = [one for one in claimed if self.pair.model.holds(one.lease)]
        return self.rng.choice(held if held and self.rng.random() < 0.8 else claimed)


def test_the_ledger_agrees_with_its_model(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """No interleaving of webhooks, looks, deliveries, lost leases, operators and time breaks what must hold."""
    server = RedisServer(free_port(), tmp_path, "--appendonly", "no")
    server.start()

    class Machine(LedgerMachine):
        url = server.url

    steps = settings(max_examples=25, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        run_state_machine_as_test(Machine, settings=steps)
    finally:
        server.kill()
