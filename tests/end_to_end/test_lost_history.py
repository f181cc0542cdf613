"""History is lost: it gets again what the ledger holds, and a rebuild finds at i'mport what is older, silently."""

from __future__ import annotations

import time

from history import History
from history.write import Move
from ledger.jobs import RETENTION
from runtime.history_url import parse
from schemas.times import rfc3339
from tests.support.histories import history_in
from tests.support.ledger_state import ledger_state
from tests.support.outbox_entries import of_payment, packed
from tests.support.relay import Relay
from workers.retention import JOB


async def test_history_comes_back(relay: Relay) -> None:
    """Whatever the ledger has is there again; older facts are recorded above all sequences and are not sent."""
    await relay.endpoint()
    paid = [await relay.paid() for _ in range(3)]
    await relay.until(lambda: len(relay.subscriber.types()) == 3, "all are delivered")
    old = int(time.time()) - 7200
    await relay.payment_at_iamport(imp_uid="imp_old", status="paid", paid_at=old, started_at=old, amount=1004)
    await relay.lose_history()
    history = History.connect(parse(f"sqlite:///{relay.directory / 'var' / 'history.db'}"))

    async def is_back() -> bool:
        found = await history.payments.some([("default", imp_uid) for imp_uid in paid])
        return len(found) == 3

    await relay.until(is_back, "history has the payments again")
    await relay.worker.logged("history_written_again")
    sent = await history.events.of_payments([("default", imp_uid) for imp_uid in paid])
    assert [[event.type for event in events] for events in sent.values()] == [["payment.paid"]] * 3

    window = {"since": rfc3339(time.time() - 86_400), "until": rfc3339(time.time() + 60)}
    run = await relay.api.post("/v1/reconciliations", json={"merchant": "default", **window, "rebuild": True})
    assert run.status_code == 202, run.text
    (event,) = await relay.until_recorded("imp_old", "paid")
    assert event["silent"]
    assert event["data"]["sequence"] > 1_000_000_000
    assert relay.subscriber.types("imp_old") == []
    assert len(relay.subscriber.types()) == 3
    await history.close()


async def test_it_is_noticed_while_nothing_happens(relay: Relay) -> None:
    """The file is deleted under processes that run, and no webhook comes: soon lists have everything again."""
    await relay.endpoint()
    paid = await relay.paid()
    await relay.until_received("paid", imp_uid=paid)
    await relay.until_idle()
    _remove_history(relay)
    await relay.worker.logged("history_written_again")
    await relay.until_recorded(paid, "paid")


async def test_another_relays_history_ends_who_works(relay: Relay) -> None:
    """It was put in the place of this one's under processes that run: they end with one line, as they do at a start."""
    async with history_in(relay.directory) as other:
        await other.prepare()
        await other.adopt("ldg_other")
        assert await other.record_all([Move("ldg_other:00", "0-0", "1-0")], packed(of_payment(1)))
    _remove_history(relay)
    (relay.directory / "history.db").rename(relay.directory / "var" / "history.db")
    for process in (relay.worker, relay.console):
        assert await process.ended() == 1
        assert "RELAY_HISTORY_URL: this is the history of another ledger (ldg_other)" in process.lines[-1]


async def test_nothing_leaves_that_history_has_lost(relay: Relay) -> None:
    """A worker was killed and history lost; the next worker's retention comes before any recorder has found out. What
    is old stays in the ledger until history has it again."""
    await relay.endpoint()
    paid = await relay.paid()
    await relay.until_received("paid", imp_uid=paid)
    await relay.until_idle()
    await relay.worker.kill()
    await relay.console.terminate()
    _remove_history(relay)
    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        await state.make_due(str(RETENTION), JOB)
        relay.worker = relay.start_worker(RELAY_LEDGER_RETENTION="1s")

        async def has_tidied() -> bool:
            await state.lead("record", "a recorder that was killed", 2900)
            return await state.due_at(str(RETENTION), JOB) != 1

        await relay.until(has_tidied, "it has looked for what is old")
        assert await state.payment(paid)
        await relay.worker.logged("history_written_again")

        async def has_left() -> bool:
            return not await state.payment(paid)

        await relay.until(has_left, "it has left")
    relay.console = relay.start_console()
    await relay.console.ready(relay.url("console") + "/readyz")
    assert (await relay.payment(paid))["status"] == "paid"
    await relay.until_recorded(paid, "paid")


def _remove_history(relay: Relay) -> None:
    """Its file first, so that nobody opens it without its log."""
    for name in ("history.db", "history.db-wal", "history.db-shm"):
        (relay.directory / "var" / name).unlink(missing_ok=True)
