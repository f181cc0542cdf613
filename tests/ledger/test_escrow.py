"""Escrow changes on their way from a webhook to the refresh that accepts or rejects them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from ledger import Ledger
from ledger.keys import Lane
from ledger.waiting import escrow_changes
from schemas.payments import escrow
from schemas.payments.escrow import EscrowChange
from schemas.payments.snapshot import Snapshot
from schemas.reasons import stored
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, THEN, UNKNOWN, Driver, notification, paid
from tests.support.ledger_redis import redis_of
from tests.support.reasons import because, said

NAME = "default/imp_1"


def told(code: object = "4", changed_at: object = THEN + 50, **fields: Any) -> bytes:
    """What a receiver keeps of an escrow webhook."""
    return json.dumps(
        {"event": escrow.EVENT, "extra": {"escrow_status": code, "changed_at": changed_at, **fields}}
    ).encode()


def bought(**fields: Any) -> Snapshot:
    """An escrow payment that is paid."""
    return paid(escrow=True, **fields)


async def noted(ledger: Ledger, identity: str) -> tuple[str, str]:
    """Outcome and reason of a notification."""
    for row in await ledger.notifications.of_payments([("default", "imp_1"), ("shop", "imp_1")], 100):
        if row.id == identity:
            return row.outcome, said(row.reason)
    settled = (await stored_payments.settled(redis_of(ledger)))[identity]
    return settled.outcome, said(stored((settled.reason or "").encode()))


async def kept(driver: Driver) -> list[str]:
    """The escrow changes that wait for a refresh."""
    rows = [one for one, _ in (await stored_payments.waiting(driver.redis)).values()]
    return sorted(change.key for change in escrow_changes(rows))


async def test_a_change_waits_for_a_look_and_becomes_an_event(ledger: Ledger, driver: Driver) -> None:
    """A change from a verified source is given to the next refresh, which settles it with its notification."""
    one = await driver.accept(extra=told(denied_reason="단순 변심"), received_at=THEN + 60.5)
    claimed = await driver.claim_one()
    assert claimed.escrow_changes == (EscrowChange("4", THEN + 50, "단순 변심", THEN + 60),)
    assert await driver.commit(claimed, bought()) == "ok"
    assert await noted(ledger, one.id) == ("applied", "")
    assert await kept(driver) == []
    assert list((await ledger.refresh_lane.record("default", "imp_1")).facts) == ["paid", f"escrow:4:{THEN + 50}"]


async def test_the_same_change_again_is_unchanged(ledger: Ledger, driver: Driver) -> None:
    """Reported twice before a refresh, during it and after it, a change is one fact; all are answered."""
    early = [await driver.accept(extra=told()), await driver.accept(extra=told())]
    claimed = await driver.claim_one()
    during = await driver.accept(extra=told())
    await driver.commit(claimed, bought())
    assert await driver.commit(await driver.claim_one(), bought()) == "ok"
    after = await driver.accept(extra=told())
    await driver.commit(await driver.claim_one(), bought())
    assert [(await noted(ledger, one.id))[0] for one in (*early, during, after)] == [
        "applied", "applied", "unchanged", "unchanged",
    ]  # fmt: skip
    record = await ledger.refresh_lane.record("default", "imp_1")
    assert len(record.facts) == record.sequence == 2
    assert await kept(driver) == []


async def test_without_a_time_the_first_receipt_counts(driver: Driver) -> None:
    """A change without a usable time that is reported again before the refresh happened when it first came."""
    await driver.accept(extra=told("2", None), received_at=THEN + 1.0)
    await driver.accept(extra=told("2", "soon"), received_at=THEN + 9.0)
    claimed = await driver.claim_one()
    assert claimed.escrow_changes == (EscrowChange("2", None, None, THEN + 1),)
    await driver.commit(claimed, bought())
    assert await kept(driver) == []


async def test_a_change_that_comes_during_a_look_waits_for_the_next(driver: Driver) -> None:
    """The refresh under way has not seen it, so it stays; each of two changes is a fact."""
    await driver.accept(extra=told("2"))
    claimed = await driver.claim_one()
    await driver.accept(extra=told("4"))
    await driver.commit(claimed, bought())
    assert await kept(driver) == [f"escrow:4:{THEN + 50}"]
    await driver.commit(await driver.claim_one(), bought())
    assert (await driver.ledger.refresh_lane.record("default", "imp_1")).sequence == 3


async def test_a_payment_that_is_not_escrow(ledger: Ledger, driver: Driver) -> None:
    """What i'mport does not show as escrow has no escrow changes: the notification is rejected and says why; where the
    look it asked for brought news it is applied, and says so too."""
    first = await driver.accept(extra=told())
    await driver.commit(await driver.claim_one(), paid())
    second = await driver.accept(extra=told("8"))
    plain = await driver.accept()
    await driver.commit(await driver.claim_one(), paid())
    assert await noted(ledger, first.id) == ("applied", said(escrow.NOT_ESCROW))
    assert await noted(ledger, second.id) == ("rejected", said(escrow.NOT_ESCROW))
    assert await noted(ledger, plain.id) == ("unchanged", "")
    assert await kept(driver) == []
    assert list((await ledger.refresh_lane.record("default", "imp_1")).facts) == ["paid"]


async def test_an_unverified_sender_only_causes_a_look(ledger: Ledger, driver: Driver) -> None:
    """Its change is given to no refresh; its notification has the reason from the beginning."""
    one = await driver.accept(extra=told(), verified=False)
    assert await noted(ledger, one.id) == ("pending", said(escrow.UNVERIFIED))
    claimed = await driver.claim_one()
    assert claimed.escrow_changes == ()
    await driver.commit(claimed, bought())
    again = await driver.accept(extra=told(), verified=False)
    await driver.commit(await driver.claim_one(), bought())
    assert await noted(ledger, one.id) == ("applied", said(escrow.UNVERIFIED))
    assert await noted(ledger, again.id) == ("rejected", said(escrow.UNVERIFIED))
    assert list((await ledger.refresh_lane.record("default", "imp_1")).facts) == ["paid"]


async def test_a_change_without_a_code(ledger: Ledger, driver: Driver) -> None:
    """An escrow webhook without a code causes a refresh, and its notification has the reason."""
    await driver.look(bought())
    one = await driver.accept(extra=told(None))
    claimed = await driver.claim_one()
    assert claimed.escrow_changes == ()
    await driver.commit(claimed, bought())
    assert await noted(ledger, one.id) == ("rejected", said(escrow.NO_CODE))


async def test_an_unknown_payment_keeps_its_change(ledger: Ledger, driver: Driver) -> None:
    """While i'mport does not know the payment yet the change waits; when it never will, it goes."""
    one = await driver.accept(extra=told())
    claimed = await driver.claim_one()
    await ledger.refresh_lane.postpone(claimed, "unknown", due_in=0, tries=1)
    assert await kept(driver) == [f"escrow:4:{THEN + 50}"]
    await driver.pass_time(2)
    claimed = await driver.claim_one(UNKNOWN)
    assert len(claimed.escrow_changes) == 1
    await ledger.refresh_lane.postpone(claimed, "rejected", due_in=None, reason=because("unknown"))
    assert await noted(ledger, one.id) == ("rejected", "unknown")
    assert await kept(driver) == []


async def test_a_look_that_lost_its_lease_settles_nothing(driver: Driver) -> None:
    """Nor does one whose record an operator has changed since: the change is given to the next refresh."""
    await driver.look(bought())
    await driver.accept(extra=told())
    lost = await driver.claim_one()
    await driver.lose(lost.lease)
    again = await driver.claim_one()
    assert await driver.commit(lost, bought()) == "lost"
    assert again.escrow_changes == lost.escrow_changes != ()
    assert await driver.commit(again, bought()) == "ok"


async def test_what_belongs_to_a_deleted_merchant_is_given_up(ledger: Ledger, driver: Driver) -> None:
    """A change of a merchant that was deleted long ago goes with the marks of its payments."""
    await ledger.merchants.put("shop", imp_key="sealed", imp_secret="sealed")
    await driver.accept(merchant="shop", extra=told())
    await ledger.merchants.delete("shop")
    assert await kept(driver) == [f"escrow:4:{THEN + 50}"]
    await driver.tidy(await ledger.now() + 60)
    assert await kept(driver) == []
    assert await driver.due(Lane("refresh", "shop")) == {}


async def test_many_at_once(ledger: Ledger, driver: Driver) -> None:
    """Changes that come together are accepted together, each with what belongs to it."""
    codes = ["2", "3", "31", "32", "4", "8", "10"]
    await asyncio.gather(
        *(ledger.intake.accept(notification(extra=told(code, THEN + n))) for n, code in enumerate(codes))
    )
    claimed = await driver.claim_one(REFRESH)
    assert sorted(change.code for change in claimed.escrow_changes) == sorted(codes)
    await driver.commit(claimed, bought())
    assert (await ledger.refresh_lane.record("default", "imp_1")).sequence == 8


async def test_what_else_a_body_held_is_shown(ledger: Ledger, driver: Driver) -> None:
    """A notification has its extra as it was kept, numbers as written; nothing where there was nothing."""
    one = await driver.accept(extra=b'{"event":"Other.Thing","n":1.10}')
    two = await driver.accept()
    shown = {row.id: row.extra for row in await ledger.notifications.of_payment("default", "imp_1", 10)}
    assert (str(shown[one.id]["n"]), shown[two.id]) == ("1.10", {})


async def test_beside_a_cancellation_that_is_not_found_yet(ledger: Ledger, driver: Driver) -> None:
    """The look that records an escrow change answers its notification, though another one waits for a second look at
    the cancellation that it spoke of."""
    await driver.look(bought())
    claiming = await driver.accept(status="cancelled", cancellation_id="c9")
    one = await driver.accept(extra=told())
    await driver.commit(await driver.claim_one(), bought())
    assert await noted(ledger, one.id) == ("applied", "")
    assert (await noted(ledger, claiming.id))[0] == "pending"
    assert await kept(driver) == []
