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
from tests.ledger.modelled_ledger import ENDPOINTS, PAYMENTS, ModelledLedger
from tests.support.ledger_driver import REFRESH, UNKNOWN
from tests.support.reasons import because
from tests.support.redis_process import RedisServer

Held = TypeVar("Held", bound=ClaimedPayment | ClaimedDelivery)

LANES = (REFRESH, REFRESH, UNKNOWN)
VERDICTS = (
    *(
        Delivered(),
        Delivered(),
        Delivered(),
        Retry(30, because("answered 500")),
        Retry(5, because("answered 429"), lane_wait=20),
    ),
    *(Dead(because("dead after 12 attempts")), Disable(because("answered 410 (gone)"))),
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
        self.both = ModelledLedger(self.url)
        self.rng = Random(0)

    @initialize(rng=st.randoms(use_true_random=True))
    def begin(self, rng: Random) -> None:
        """Webhooks for all payments; some of these are looked at already."""
        self.rng = rng
        for imp_uid in PAYMENTS:
            self.both.accept(imp_uid)
        self.both.claim(REFRESH, 100)
        for claimed in rng.sample(self.both.looks, rng.randint(0, 3)):
            self.both.commit(claimed, 0, 0)

    @rule()
    def step(self) -> None:
        """Any one thing."""
        (name,) = self.rng.choices(list(STEPS), list(STEPS.values()))
        getattr(self, f"_{name}")()

    @invariant()
    def is_in_order(self) -> None:
        """After every step."""
        self.both.agree()

    def teardown(self) -> None:
        """Nothing was forgotten: the lanes that the sweep kicks are enough to finish everything."""
        try:
            self.both.finish()
            self.both.agree()
        finally:
            self.both.close()

    def _receive(self) -> None:
        imp_uid = self.rng.choice(PAYMENTS)
        if self.rng.random() < 0.5:
            self.both.happen(imp_uid)
        if self.rng.random() < 0.3:
            self.both.accept_again(self.rng.randrange(1000))
        else:
            self.both.accept(imp_uid)

    def _claim(self) -> None:
        self.both.claim(self.rng.choice(LANES), self.rng.choice((1, 100)))

    def _commit(self) -> None:
        self.both.commit(self._one_of(self.both.looks), self.rng.choice((0, 0, 1, 2)), self.rng.choice((0, 1, 100)))

    def _postpone(self) -> None:
        self.both.postpone(
            self._one_of(self.both.looks), self.rng.choice(("stalled", "unknown", "unknown", "rejected"))
        )

    def _take(self) -> None:
        self.both.take(self.rng.choice(list(ENDPOINTS)), self.rng.choice((1, 100)))

    def _settle(self) -> None:
        if self.both.sends:
            self.both.settle(self._one_of(self.both.sends), self.rng.choice(VERDICTS))

    def _retry(self) -> None:
        self.both.retry(self.rng.randrange(1000))

    def _switch(self) -> None:
        self.both.switch(self.rng.choice([*self.both.model.disabled, *ENDPOINTS]))

    def _lose(self) -> None:
        self.both.lose(self._lease())

    def _renew(self) -> None:
        self.both.renew(self._lease())

    def _release(self) -> None:
        self.both.release(self._lease())

    def _wait(self) -> None:
        self.both.wait(self.rng.choice((2.0, 2.0, 40.0)))

    def _pause(self) -> None:
        self.both.pause(self.rng.choice(LANES))

    def _resume(self) -> None:
        self.both.resume(self.rng.choice(LANES))

    def _mark_dirty(self) -> None:
        self.both.mark_dirty(self.rng.choice(PAYMENTS))

    def _cancel(self) -> None:
        self.both.ask_for_cancellation(self.rng.choice(PAYMENTS))

    def _lease(self) -> Lease:
        claimed: list[ClaimedPayment | ClaimedDelivery] = [*self.both.looks, *self.both.sends]
        return self._one_of(claimed).lease

    def _one_of(self, claimed: Sequence[Held]) -> Held:
        """Something claimed, mostly what is held still."""
        held = [one for one in claimed if self.both.model.holds(one.lease)]
        return self.rng.choice(held if held and self.rng.random() < 0.8 else claimed)


def test_the_ledger_agrees_with_its_model(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """No interleaving of webhooks, refreshes, deliveries, lost leases, operators and time breaks an invariant."""
    server = RedisServer(free_port(), tmp_path, "--appendonly", "no")
    server.start()

    class Machine(LedgerMachine):
        url = server.url

    steps = settings(max_examples=25, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        run_state_machine_as_test(Machine, settings=steps)
    finally:
        server.kill()
