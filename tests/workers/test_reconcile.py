"""The reconciler between a real ledger and an i'mport on a real socket: what it does when the list does not come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import structlog.testing

from ledger import Ledger
from ledger.constants import AUTO
from ledger.jobs import RECONCILE
from ledger.keys import Lane
from ledger.reconciliations import Reconciliation
from schemas import wire
from schemas.payments.decide import Policy, decide
from tests.support.iamport_stub import Asked, Stub, always, http, no, payment, well
from tests.support.ledger_driver import REFRESH, THEN, Driver, paid
from tests.support.reasons import because, said
from tests.workers.merchant_workers import running_merchant
from workers.reconcile import Reconciler

NOW = 1_900_000_000.0
DAY = 86400
DEFAULT = f"{AUTO}default"


class Books:
    """A ledger, an i'mport that lists the payments in ``listed``, and a reconciler between them."""

    def __init__(self, ledger: Ledger, stub: Stub, reconciler: Reconciler) -> None:
        self.ledger = ledger
        self.driver = Driver(ledger)
        self.stub = stub
        self.listed: list[dict[str, Any]] = []
        self.step = reconciler.step
        self.schedule_all = reconciler.schedule_all
        stub.reply = self.show

    def show(self, _asked: Asked) -> bytes:
        """i'mport as it should be, with one page."""
        return well({"total": len(self.listed), "previous": 0, "next": 0, "list": self.listed})

    async def run(self, job: str = DEFAULT) -> Reconciliation:
        """How far a run is."""
        return await self.ledger.reconciliations.get(job)

    async def by_hand(self, **fields: Any) -> Reconciliation:
        """An operator's run over the last day."""
        since, until = int(NOW) - DAY, int(NOW)
        run = Reconciliation("rec_1", "default", since, until, window=(since, until - 1, 1))
        await self.ledger.reconciliations.save(replace(run, created_at=NOW, **fields))
        return run

    async def steps(self, job: str = DEFAULT, at: float = NOW) -> float | None:
        """Step until there is something to wait for."""
        while (next_in := await self.step(job, at)) == 0:
            pass
        return next_in

    @property
    def windows(self) -> list[tuple[int, int]]:
        """What the list was asked for."""
        asked = [dict(call.query) for call in self.stub.calls if call.path.startswith("/payments/status/")]
        return [(int(query["from"]), int(query["to"])) for query in asked]


@pytest.fixture
async def books(redis_url: str) -> AsyncIterator[Books]:
    """One merchant, on an empty ledger."""
    environ = {"IMP_KEY": "key", "IMP_SECRET": "secret", "RELAY_FETCH_SCHEDULE": "1s,5s,1m"}
    async with running_merchant(redis_url, **environ) as workers:
        yield Books(workers.ledger, workers.stub, workers.reconciler)


@pytest.mark.parametrize("answer", [http(502), no(200), http(200, b"<html>"), well(None), None])
async def test_a_list_that_fails_is_asked_for_again_by_the_fetch_schedule(books: Books, answer: bytes | None) -> None:
    """Nothing of the period counts as compared; the waits grow as those of payments do, and end with an answer."""
    books.stub.reply = always(answer)
    waits = []
    for _ in range(4):
        with structlog.testing.capture_logs() as told:
            waits.append(await books.steps())
        assert [(line["event"], line["merchant"]) for line in told] == [("list_failed", "default")]
    assert [round(wait or 0, -1 if (wait or 0) > 10 else 0) for wait in waits] == [
        pytest.approx(seconds, rel=0.25) for seconds in (1, 5, 60, 60)
    ]
    run = await books.run()
    assert (run.last_success, run.tries, bool(run.trouble)) == (0, 4, True)
    books.stub.reply = books.show
    assert await books.steps() == 900
    run = await books.run()
    assert (run.state, run.last_success, run.tries, said(run.trouble)) == ("done", NOW, 0, "")


async def test_a_first_page_that_is_turned_down_is_empty_and_told(books: Books) -> None:
    """i'mport says 400 to pages past the end, and may mean the first page of nothing: a quiet shop is compared all the
    same, and whoever reads the logs can tell."""
    books.stub.reply = always(no(400))
    with structlog.testing.capture_logs() as told:
        assert await books.steps() == 900
    assert {(line["event"], line["merchant"]) for line in told} == {
        ("window_refused", "default"),
        ("reconciled", "default"),
    }
    run = await books.run()
    assert (run.state, run.last_success, said(run.trouble)) == ("done", NOW, "")


async def test_i_mport_says_how_long_to_wait(books: Books) -> None:
    """A Retry-After longer than the schedule's wait counts, an hour of it at most."""
    books.stub.reply = always(http(503, headers={"retry-after": "120"}))
    assert await books.steps() == 120
    books.stub.reply = always(http(429, {"code": -1, "message": "", "response": None}, {"retry-after": "86400"}))
    assert await books.steps() == 3600


async def test_a_window_that_is_turned_down_is_asked_for_anew(books: Books) -> None:
    """The next window of an automatic run reaches from the last success to then: it may be what i'mport said no to."""
    await books.steps()
    books.stub.asked.clear()
    books.stub.reply = always(no(200))
    await books.steps(at=NOW + 900)
    books.listed = [payment("imp_1", paid_at=int(NOW) + 1000)]
    books.stub.reply = books.show
    await books.steps(at=NOW + 2000)
    (_, first), (_, *_), *_ = windows = books.windows
    assert (first, windows[-1][1]) == (int(NOW) + 900, int(NOW) + 2000)
    assert windows[-1][0] <= int(NOW) - 3600
    assert (await books.run()).missing == 1


async def test_while_payments_wait_for_i_mport_its_lists_wait_too(books: Books) -> None:
    """What the breaker of a merchant's payments says goes for the list: it is not asked for before the probe."""
    await books.driver.accept("imp_1")
    (claimed,) = await books.driver.claim()
    await books.ledger.refresh_lane.pause(REFRESH, 20, because("i'mport answered 502"))
    await books.ledger.refresh_lane.postpone(claimed, "stalled", due_in=20, tries=1)
    assert await books.steps() == pytest.approx(20, abs=2)
    assert books.windows == []
    await books.driver.pass_time(21)
    assert await books.steps() == 1
    await books.driver.claim()
    assert await books.steps() == pytest.approx(10, abs=2)
    assert books.windows == []
    await books.ledger.refresh_lane.resume(REFRESH)
    assert await books.steps() == 900
    assert len(books.windows) == 1


async def test_new_credentials_are_tried_at_once(books: Books) -> None:
    """A list that failed need not wait for its turn any more; one that did not fail keeps its time."""
    await books.schedule_all()
    before = await books.driver.scores("due", "job/reconcile")
    await books.ledger.merchants.put("default", imp_key="", imp_secret="")
    assert await books.driver.scores("due", "job/reconcile") == before
    books.stub.reply = always(no(200))
    await books.steps()
    await books.ledger.merchants.put("default", imp_key="", imp_secret="")
    claimed = await books.ledger.jobs.claim(RECONCILE)
    assert [lease.member for lease in claimed.leases] == [DEFAULT]


async def test_an_operator_s_run_that_gets_nowhere_ends_and_says_why(books: Books) -> None:
    """After a day of failures it is over: automatic runs, which wait for a silent one, go on."""
    await books.by_hand()
    books.stub.reply = always(no(200, "not this window"))
    await books.steps("rec_1")
    assert await books.ledger.reconciliations.silent_run("default")
    assert await books.steps("rec_1", NOW + DAY - 60) is not None
    assert await books.steps("rec_1", NOW + DAY + 60) is None
    run = await books.run("rec_1")
    assert (run.state, run.compared, "not this window" in said(run.trouble)) == ("done", 0, True)
    assert not await books.ledger.reconciliations.silent_run("default")


async def test_a_run_of_a_merchant_that_is_gone_ends(books: Books) -> None:
    """Its list cannot be requested, and nothing needs it."""
    await books.by_hand(merchant="gone")
    assert await books.step("rec_1", NOW) is None
    assert ((await books.run("rec_1")).state, books.stub.calls) == ("done", [])


async def test_default_is_not_reconciled_before_it_is_set_up(books: Books) -> None:
    """Its webhooks are accepted before it is added, but without credentials its list cannot be requested."""
    await books.ledger.merchants.delete("default")
    await books.ledger.merchants.put("shop", imp_key="", imp_secret="")
    await books.schedule_all()
    assert list(await books.driver.due(Lane("job", "reconcile"))) == ["auto/shop"]
    assert await books.step(DEFAULT, NOW) is None


async def test_a_run_that_became_due_while_no_worker_ran_is_done_at_once(books: Books) -> None:
    """The ledger keeps when the next one is due: after a pause it need not wait for `RELAY_RECONCILE_EVERY` again."""
    await books.schedule_all()
    assert (await books.ledger.jobs.claim(RECONCILE)).leases == ()
    await books.driver.pass_time(3600)
    await books.schedule_all()
    claimed = await books.ledger.jobs.claim(RECONCILE)
    assert [lease.member for lease in claimed.leases] == [DEFAULT]


async def test_what_is_listed_with_less_is_looked_at_and_counts_as_nothing_missing(books: Books) -> None:
    """A cancellation that was taken back has no webhook: the list shows it, and again once it is there again."""
    await books.driver.look(paid("imp_1", 1000))
    await books.driver.look(paid("imp_2", 300))
    books.listed = [wire.loads(paid("imp_1").raw), wire.loads(paid("imp_2", 300).raw)]
    await books.steps()
    assert (await books.run()).missing == 0
    assert list(await books.driver.due(REFRESH)) == ["imp_1"]
    for later in (0, 61):
        claimed = await books.driver.claim_one()
        change = decide(claimed.record, paid("imp_1"), THEN + 100 + later, Policy())
        await books.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN)
        await books.driver.pass_time(61)
    assert len((await books.ledger.payments.get("default", "imp_1")).contradicts) == 1

    await books.steps(at=NOW + 1000)
    assert await books.driver.due(REFRESH) == {}
    books.listed[0] = wire.loads(paid("imp_1", 1000).raw)
    await books.steps(at=NOW + 2000)
    assert list(await books.driver.due(REFRESH)) == ["imp_1"]
    await books.driver.commit(await books.driver.claim_one(), paid("imp_1", 1000))
    assert (await books.ledger.payments.get("default", "imp_1")).contradicts == ()


async def test_what_was_taken_back_leaves_a_silent_decision_alone(books: Books) -> None:
    """An automatic run asks for a look at a payment of which i'mport lists less; whether what that look finds is sent
    was decided by an operator, and stays decided. Nothing counts as missing."""
    await books.driver.look(paid("imp_1", 100))
    books.listed = [payment("imp_1", paid_at=THEN)]
    await books.driver.plan("imp_1", DAY, silent=True)
    await books.steps(at=THEN + 3600)
    assert (await books.driver.claim_one()).silent
    assert (await books.run()).missing == 0
