"""History is lost: it gets again what the ledger holds, and a rebuild finds at i'mport what is older, silently."""

from __future__ import annotations

import time

from history import History
from runtime.history_url import parse
from schemas.times import rfc3339
from tests.support.relay import Relay


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
