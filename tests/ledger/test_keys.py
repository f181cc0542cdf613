"""The table of keys in ledger/keys.py, compared with a ledger in which everything has happened."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ledger import Ledger
from ledger.heartbeats import Heartbeat
from ledger.jobs import ERASE_AGAIN, RECONCILE, REPLAY, REWRITE
from ledger.keys import KEYS, Key, Lane
from ledger.reconciliations import Difference, Reconciliation
from runtime.encryption import Sealer
from schemas.endpoints.events import EndpointEvent
from schemas.endpoints.health import EndpointHealth
from schemas.endpoints.replay_selection import Selection
from schemas.payments import escrow
from tests.support.ledger_driver import REFRESH, TEST_BODY, Driver, paid
from tests.support.ledger_redis import key, without_prefix
from tests.support.ledger_replaying import ReplayDriver
from tests.support.reasons import because

_SEEN = """
local seen = {}
for i, name in ipairs(redis.call("KEYS", "*")) do seen[i] = {name, redis.call("TYPE", name).ok} end
return seen
"""
MOMENTARY = {"lacking", "probe"}
"""Keys that no script leaves behind while Redis allows it everything."""


class Keys:
    """The keys that were seen, with their types."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.seen: set[tuple[str, str]] = set()

    async def see(self) -> None:
        """Add those that exist now."""
        rows: Any = await self._driver.redis.execute_command("EVAL", _SEEN, 0)
        self.seen |= {(without_prefix(name.decode()), kind.decode()) for name, kind in rows}


async def test_every_key_is_in_the_table_and_every_row_has_a_key(
    ledger: Ledger, driver: Driver, replays: ReplayDriver
) -> None:
    """A key that no row describes, a row with another type, and a row of which there is no key are all faults."""
    keys = Keys(driver)
    for step in (_lose, _start, _refresh, _deliver, partial(_replay, replays), _reconcile, _share, _remove):
        await step(ledger, driver, keys)
        await keys.see()
    unlisted = [
        (name, kind) for name, kind in keys.seen if not any(row.type == kind and row.matches(name) for row in KEYS)
    ]
    unused = [
        row.name
        for row in KEYS
        if row.name not in MOMENTARY and not any(row.type == kind and row.matches(name) for name, kind in keys.seen)
    ]
    assert (sorted(unlisted), unused) == ([], [])


@pytest.mark.parametrize("row", KEYS, ids=lambda row: row.name)
def test_a_key_says_how_it_grows(row: Key) -> None:
    """A single value has a name without placeholders; what never ends does not grow with what happens to payments."""
    assert (row.grows == "one value") == (row.type == "string" and "<" not in row.name)
    if row.ends == "never":
        assert re.search("payment|order|event|deliver|change|request", row.grows) is None


async def test_a_key_that_nothing_describes_is_found() -> None:
    """The patterns are narrow: a name with a part more, or a lane of no kind, is not described by accident."""
    for name in ("pay:shop", "recon:rec_1:heard", "due:other/shop", "lane", "idem", "evt:evt_1:more"):
        assert not any(row.matches(name) for row in KEYS), name


async def _lose(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """A lost ledger is put back, Redis comes back with an old copy, and history is lost."""
    await driver.redis.delete(key("open"))
    now = await ledger.now()
    await ledger.restoring.begin(now)
    await keys.see()
    await ledger.restoring.end()
    await driver.redis.set(key("open"), "1")
    for later in (0, 1):
        assert await ledger.outbox.read_checked({0: f"{round(now * 1000) + later}-0"}, 1) == ({0: []}, set())
        assert await driver.redis.exists(key("old_copy")) == later  # a restored ledger is none
    (lease,) = (await ledger.jobs.claim(ERASE_AGAIN)).leases
    await ledger.jobs.settle(lease, next_in=None)
    await ledger.outbox.rewrite("0-0")
    (lease,) = (await ledger.jobs.claim(REWRITE)).leases
    while await ledger.rewriting.step():
        await keys.see()
        await ledger.outbox.trim_all({0: (await ledger.outbox.state_of(0)).last})  # it is recorded
    await ledger.jobs.settle(lease, next_in=None)


async def _start(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """A process starts, sweeps, reports; receivers refuse and spool."""
    await ledger.begin(Sealer([Fernet.generate_key().decode()]))
    await ledger.sweep("me")
    assert await ledger.outbox.lead("me")
    await ledger.heartbeats.report("worker", Heartbeat("1", 1.0, None, None, None))
    await ledger.intake.report_spool("receiver", 3)
    await ledger.intake.count_refusals({"default:404": 1}, {"default:not_json": 1})
    await ledger.reconciliations.begin(Reconciliation("rec_rebuild", "default", 0, 1, deliver=True), rebuild=True)
    await ledger.jobs.settle((await ledger.jobs.claim(RECONCILE)).leases[0], next_in=None)
    used = (await driver.redis.info("memory"))["used_memory"]
    await driver.redis.config_set("maxmemory", int(used / 0.97))
    await ledger.sweep("me")
    await ledger.outbox.trim_all({0: (await ledger.outbox.state_of(0)).last})
    await keys.see()
    await driver.redis.config_set("maxmemory", 0)
    await ledger.sweep("me")
    await driver.plan("imp_1", 2, "shop")  # sooner than it means to sweep


async def _refresh(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """Payments in every state that a refresh lane knows."""
    change = b'{"event": "%s", "extra": {"escrow_status": "4"}}' % escrow.EVENT.encode()
    await driver.accept("imp_escrow", extra=change)
    await driver.accept("imp_reported", status="cancelled", cancellation_id="c9")
    await driver.accept("imp_unverified", source="198.51.100.7", verified=False)
    await driver.mark_silently("imp_silent")
    await keys.see()
    stalled, hidden, gone, silent = await driver.claim()
    ledger.leases.hold([stalled.lease])
    await ledger.leases.renew()
    ledger.leases.drop([stalled.lease])
    await driver.accept(stalled.lease.member)
    await keys.see()
    await ledger.refresh_lane.postpone(stalled, "stalled", due_in=60, tries=1, reason=because("i'mport fails"))
    await ledger.refresh_lane.hide(hidden, reason=because("of a test channel"), now=1.0)
    await ledger.refresh_lane.postpone(gone, "rejected", due_in=None, reason=because("unknown"))
    await ledger.refresh_lane.pause(REFRESH, 60, because("i'mport fails"))
    await keys.see()
    await ledger.refresh_lane.resume(REFRESH)
    await driver.commit(silent, paid("imp_silent"))
    for claimed in await driver.claim():
        await driver.commit(claimed, paid(claimed.lease.member))
    await ledger.payments.expect("default", "order", Decimal(1000), None)
    for claimed in await driver.claim():
        await driver.commit(claimed, paid(claimed.lease.member))


async def _deliver(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """Deliveries in every state, a test, a retry, an endpoint that fails and one that is deleted."""
    lane = await driver.subscribe(types=("*",))
    await driver.subscribe("ep_other")
    await driver.look(paid("imp_1", 300))
    first = await driver.take_one(lane)
    await keys.see()
    await driver.bury(first)
    await driver.settle(await driver.take_one(lane))
    await ledger.deliveries.retry(first.id)
    await ledger.deliveries.send_test("ep_1", "evt_test", TEST_BODY)
    await keys.see()
    for delivery in await driver.take(lane):
        await driver.settle(delivery)
    failing = EndpointHealth(failures=9, failing_since=1.0, open_until=2.0, opens=1, stage=1)
    event = EndpointEvent("evt_failing", "endpoint.failing", TEST_BODY)
    assert await ledger.delivery_lane.note_health("ep_other", EndpointHealth(), failing, event)
    await ledger.endpoints.delete("ep_other")
    for delivery in await driver.take(lane):
        await driver.settle(delivery)


async def _replay(replays: ReplayDriver, ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """A replay that is walked and sent."""
    await replays.create(Selection(endpoint="ep_1", only="all", include_silent=True), 1000.0)
    claimed = await ledger.jobs.claim(REPLAY)
    (lease,) = claimed.leases
    await replays.step(lease.member, claimed.now)
    await ledger.jobs.settle(lease, next_in=None)
    await keys.see()
    while taken := await driver.take(Lane("replay", "ep_1")):
        for delivery in taken:
            await driver.settle(delivery)


async def _reconcile(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """Reconciliations by hand and by themselves; a payment that no webhook announced."""
    run = await ledger.reconciliations.begin(Reconciliation("rec_1", "default", 0, 1))
    await ledger.reconciliations.mark_found(run, {"imp_missing": Difference(announced_at=1.0)})
    await ledger.reconciliations.save(Reconciliation("auto/default", "default", 0, 1))
    await ledger.reconciliations.schedule("default", due_in=60)
    await keys.see()
    for claimed in await driver.claim():
        await driver.commit(claimed, paid(claimed.lease.member))
    await ledger.reconciliations.count_lost_webhooks(run)
    for lease in (await ledger.jobs.claim(RECONCILE, 10)).leases:
        await ledger.jobs.settle(lease, next_in=None)


async def _share(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """What processes share: access tokens, idempotency keys, and what consoles know of operators."""
    await ledger.tokens.lock_token("credentials", 5)
    await keys.see()
    await ledger.tokens.put_token("credentials", "token", 60)
    await ledger.idempotency.begin("name", "request", "owner")
    await ledger.idempotency.end("name", "owner", "answer")
    await ledger.operators.try_sign_in("127.0.0.1", of_source=1, of_all=1, within=60)
    await ledger.operators.end_session("session", 60)
    await ledger.operators.note_use("token")


async def _remove(ledger: Ledger, driver: Driver, keys: Keys) -> None:
    """A merchant is deleted, and retention removes what is old."""
    await ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    await ledger.endpoints.disable("ep_1", because("by hand"))
    # As erasing a buyer leaves it where that breaks off.
    await ledger.cells[0].run("erase_buyer_from_events", "default", "imp_1", 0, 1, 1, b"{}", 0, 0)
    await keys.see()
    await ledger.merchants.delete("shop")
    await ledger.merchants.put("other", imp_key="k", imp_secret="s")
    later = await ledger.now() + 1
    while await driver.tidy(later):
        await keys.see()
