"""The real ledger, driven at random, agrees with the model and is in order after every single operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger.delivering import ClaimedDelivery
from ledger.refreshing import ClaimedPayment
from schemas.delivery import Again, Dead, Delivered, Disable, Verdict
from tests.ledger.driving import REFRESH, UNKNOWN
from tests.ledger.pair import ENDPOINTS, PAYMENTS, Pair
from tests.redis_process import RedisServer

Held = TypeVar("Held", bound=ClaimedPayment | ClaimedDelivery)

# The kinds of steps are few, and what happens in one is drawn by weight: with many kinds most runs try few of them.
payments, endpoints = st.sampled_from(PAYMENTS), st.sampled_from(tuple(ENDPOINTS))
lanes = st.sampled_from((REFRESH, REFRESH, UNKNOWN))
some, late = st.integers(0, 1_000_000), st.sampled_from((False, False, True))
tasks = st.sampled_from(
    ("claim", "claim", *["commit"] * 3, *["postpone"] * 2, *["take"] * 3, *["settle"] * 4),
)
disturbances = st.sampled_from(
    ("wait", "pause", "resume", "mark", "cancel", "retry", "retry", "switch", "lose", "lose", "renew", "give back"),
)
kinds: st.SearchStrategy[Literal["stalled", "unknown", "rejected"]] = st.sampled_from(
    ("stalled", "unknown", "rejected")
)
verdicts: st.SearchStrategy[Verdict] = st.sampled_from(
    (
        *(Delivered(), Delivered(), Delivered(), Again(30, "answered 500"), Again(5, "answered 429", lane_wait=20)),
        *(Dead("dead after 12 attempts"), Disable("answered 410 (gone)")),
    )
)


class LedgerMachine(RuleBasedStateMachine):
    """Receivers, workers, operators and time, one after the other in any order."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(self.url)

    @initialize(looked_at=st.integers(0, 3))
    def begin(self, looked_at: int) -> None:
        """Webhooks for all payments; some of these are looked at already."""
        for imp_uid in PAYMENTS:
            self.pair.accept(imp_uid)
        self.pair.claim(REFRESH, 100)
        for claimed in self.pair.looks[:looked_at]:
            self.pair.commit(claimed, 0)

    @rule(imp_uid=payments, happens=st.booleans(), which=some, repeated=late)
    def receive(self, imp_uid: str, happens: bool, which: int, repeated: bool) -> None:
        """A webhook, because something happened or not; sometimes one that was accepted before."""
        if happens:
            self.pair.happen(imp_uid)
        if repeated:
            self.pair.accept_again(which)
        else:
            self.pair.accept(imp_uid)

    @rule(action=tasks, which=some, too_late=late, data=st.data())
    def work(self, action: str, which: int, too_late: bool, data: st.DataObject) -> None:
        """What workers do, with what they have claimed."""
        pair = self.pair
        if action == "claim":
            pair.claim(data.draw(lanes), data.draw(st.sampled_from((1, 100))))
        elif action == "take":
            pair.take(data.draw(endpoints), data.draw(st.sampled_from((1, 100))))
        elif action == "settle" and pair.sends:
            pair.settle(self._one_of(pair.sends, which, too_late), data.draw(verdicts))
        elif action == "commit":
            pair.commit(self._one_of(pair.looks, which, too_late), data.draw(st.integers(0, 2)))
        elif action == "postpone":
            pair.postpone(self._one_of(pair.looks, which, too_late), data.draw(kinds))

    @rule(action=disturbances, which=some, too_late=late, data=st.data())
    def disturb(self, action: str, which: int, too_late: bool, data: st.DataObject) -> None:
        """What operators, i'mport and time do meanwhile, and how workers die."""
        pair = self.pair
        claimed: list[ClaimedPayment | ClaimedDelivery] = [*pair.looks, *pair.sends]
        lease = self._one_of(claimed, which, too_late).lease
        match action:
            case "wait":
                pair.wait(data.draw(st.sampled_from((2.0, 40.0))))
            case "pause":
                pair.run(pair.ledger.refreshing.pause(data.draw(lanes), 5, "i'mport answered 502"))
            case "resume":
                pair.run(pair.ledger.refreshing.resume(data.draw(lanes)))
            case "mark":
                pair.mark_dirty(data.draw(payments), data.draw(st.sampled_from((0, 5))))
            case "cancel":
                pair.ask_for_cancellation(data.draw(payments))
            case "retry":
                pair.retry(which)
            case "switch":
                pair.switch(data.draw(endpoints))
            case "lose":
                pair.lose(lease)
            case "renew":
                pair.renew(lease)
            case "give back":
                pair.give_back(lease)

    def _one_of(self, claimed: Sequence[Held], which: int, too_late: bool) -> Held:
        """Something claimed, mostly what is held still."""
        held = [one for one in claimed if self.pair.model.holds(one.lease)]
        chosen = held if held and not too_late else claimed
        return chosen[which % len(chosen)]

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


def test_the_ledger_agrees_with_its_model(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """No interleaving of webhooks, looks, deliveries, lost leases, operators and time breaks what must hold."""
    server = RedisServer(free_port(), tmp_path, "--appendonly", "no")
    server.start()

    class Machine(LedgerMachine):
        url = server.url

    steps = settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        run_state_machine_as_test(Machine, settings=steps)
    finally:
        server.kill()
