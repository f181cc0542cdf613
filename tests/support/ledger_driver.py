"""Short ways of doing to a ledger what receivers, workers and time do to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ledger import Ledger
from ledger.delivery_lane import ClaimedDeliveries, ClaimedDelivery, Settled
from ledger.endpoint_rows import dump_places, load_places
from ledger.keys import Lane, cell_of, cell_prefix
from ledger.leases import Lease
from ledger.reconciliations import Difference, Reconciliation
from ledger.refresh_lane import ClaimedPayment, Outcome
from schemas import wire
from schemas.endpoints.delivery import Attempt, Dead, Delivered, Retry, Verdict
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.places import Places
from schemas.payments.decide import Change, Policy, Record, decide
from schemas.payments.notification import Notification
from schemas.payments.snapshot import Snapshot
from tests.support import stored_payments, stored_rows
from tests.support.ledger_redis import cells_of, key, kicks_sent, redis_of
from tests.support.reasons import because
from tests.support.redis_process import queue_url as queue_url  # noqa: PLC0414  # many take it from here
from tests.support.stored_rows import Row, changed, packed

REFRESH = Lane("refresh", "default")
UNKNOWN = Lane("unknown", "default")
THEN = 1_900_000_000
"""When the payments of the tests happen: after any `since`, so that nothing about them is silent."""

_number = itertools.count(1)
_IN_LANES = (
    "not_before", "retry_after_until", "open_until", "rate_until", "probe_until", "tokens_at", "requested_at",
)  # fmt: skip
_PASS_TIME = """
local ms, prefix, are_renewing = tonumber(ARGV[1]), ARGV[2], ARGV[3] == "1"
for _, name in ipairs(redis.call("KEYS", prefix .. "*")) do
  local kind = name:sub(#prefix + 1):match("^[a-z_]+")
  if kind == "due" or kind == "leased" or kind == "touched" or kind == "lanes" then
    for _, member in ipairs(redis.call("ZRANGE", name, 0, -1)) do redis.call("ZINCRBY", name, -ms, member) end
  elseif kind == "lane" then
    for place = 4, #ARGV do
      if redis.call("HEXISTS", name, ARGV[place]) == 1 then redis.call("HINCRBY", name, ARGV[place], -ms) end
    end
  elseif kind == "kicked" then
    redis.call("PEXPIRE", name, redis.call("PTTL", name) - ms)
  elseif kind == "renewed_at" or kind == "renewed_again_at" then
    redis.call("INCRBY", name, -ms)
  end
end
if are_renewing then redis.call("SET", prefix .. "renewed_at", redis.call("TIME")[1] .. "000") end
"""
"""Moves every time in the lanes; in one script, because the tests of the ledger do it more often than anything else."""


def notification(imp_uid: str = "imp_1", **fields: Any) -> Notification:
    """A webhook about a payment, another one at each call."""
    usual = Notification(
        id=f"ntf_{next(_number):026}", merchant="default", imp_uid=imp_uid, merchant_uid="order", status="paid",
        cancellation_id=None, source="127.0.0.1", verified=True, received_at=None, extra=b"", token_hash=None,
    )  # fmt: skip
    return replace(usual, **fields)


def paid(imp_uid: str = "imp_1", *cancelled: int, **fields: Any) -> Snapshot:
    """A card payment of 1000, with these amounts cancelled of it, one after the other."""
    history = [
        {"cancellation_id": f"c{place}", "amount": amount, "cancelled_at": THEN + 10 + place}
        for place, amount in enumerate(cancelled)
    ]
    raw = {
        "imp_uid": imp_uid, "merchant_uid": "order", "status": "cancelled" if sum(cancelled) == 1000 else "paid",
        "amount": 1000, "cancel_amount": sum(cancelled), "currency": "KRW", "pay_method": "card", "paid_at": THEN,
        "cancel_history": history, **fields,
    }  # fmt: skip
    return Snapshot.parse(raw)


def fixed(deposits: int, imp_uid: str = "imp_fixed", **fields: Any) -> Snapshot:
    """A fixed virtual account with so many deposits."""
    rows = [
        {"pg_tid": f"dep_{n:026}", "amount": 1000 + n, "depositor_name": "Hong Gildong", "deposited_at": THEN + n // 50}
        for n in range(deposits)
    ]
    raw = {
        "imp_uid": imp_uid, "merchant_uid": "order", "status": "paid", "amount": 0, "cancel_amount": 0,
        "currency": "KRW", "pay_method": "vbank", "deposit_history": rows, "paid_at": THEN, "name": "rent", **fields,
    }  # fmt: skip
    return Snapshot.parse(wire.loads(wire.dumps(raw)))


def endpoint(name: str = "ep_1", **fields: Any) -> Endpoint:
    """An endpoint that takes all payments' events, in order."""
    usual = Endpoint(
        id=name, merchant="default", url="https://example.com", types=("payment.*",), description="", ordered=True,
        max_in_flight=8, rate_limit=None, headers="", payload="full", secrets=(),
    )  # fmt: skip
    return replace(usual, **fields)


def attempt(ok: bool = True) -> Attempt:
    """What is kept of one attempt."""
    return Attempt(at=float(THEN), status_code=200 if ok else 500, duration_ms=5, error=None, response="", replay=False)


TEST_BODY = b'{"timestamp":"2026-11-23T01:02:03Z","data":{}}'
"""The least that an event about an endpoint says."""


class Taker:
    """Takes what commits claim: so many deliveries of an endpoint at most."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._claims: list[ClaimedDeliveries] = []

    def take_from(self, ledger: Ledger) -> None:
        """Take what commits of this ledger claim."""
        ledger.delivery_lane.pass_to(self._claims.append, lambda: self.number)

    def taken(self) -> list[ClaimedDeliveries]:
        """What it was given since it was asked last."""
        claims = self._claims.copy()
        self._claims.clear()
        return claims


class Driver:
    """A ledger, driven by hand."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.redis = redis_of(ledger)

    def _key(self, *parts: str, merchant: str = "default") -> str:
        return key(*parts, cells=cells_of(self.ledger), merchant=merchant)

    async def accept(self, imp_uid: str = "imp_1", **fields: Any) -> Notification:
        """Accept a webhook about a payment."""
        one = notification(imp_uid, **fields)
        await self.ledger.intake.accept(one)
        return one

    async def claim(self, lane: Lane = REFRESH, limit: int = 100) -> Sequence[ClaimedPayment]:
        """Lease payments that are due."""
        return (await self.ledger.refresh_lane.claim(lane, limit)).payments

    async def claim_one(self, lane: Lane = REFRESH) -> ClaimedPayment:
        """Lease the only payment that is due."""
        (claimed,) = await self.claim(lane)
        return claimed

    async def mark_silently(self, imp_uid: str = "imp_1", merchant: str = "default") -> None:
        """A reconciliation by hand that delivers nothing finds a payment."""
        run = Reconciliation("rec_silent", merchant, 0, 1, deliver=False)
        await self.ledger.reconciliations.mark_found(run, {imp_uid: Difference(missing=False, silent=True)})

    async def plan(self, imp_uid: str, due_in: float, merchant: str = "default", *, silent: bool = False) -> None:
        """Make a payment due in ``due_in`` seconds; no other payment of its merchant is due now."""
        if silent:
            await self.mark_silently(imp_uid, merchant)
        else:
            await self.ledger.refresh_lane.mark_dirty(merchant, imp_uid)
        claimed = await self.claim_one(REFRESH._replace(name=merchant))
        await self.ledger.refresh_lane.postpone(claimed, "again", due_in=due_in)

    def decide(self, claimed: ClaimedPayment, snapshot: Snapshot, record: Record | None = None) -> Change:
        """What a look changes."""
        return decide(
            record or claimed.record,
            snapshot,
            THEN + 100,
            Policy(),
            claimed.reported_cancellations,
            claimed.escrow_changes,
        )

    async def commit(self, claimed: ClaimedPayment, snapshot: Snapshot) -> Outcome:
        """Look at a payment and write what was found."""
        change = self.decide(claimed, snapshot)
        return await self.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN + 100)

    async def look(self, snapshot: Snapshot, lane: Lane = REFRESH) -> None:
        """A webhook, a claim and a look that finds ``snapshot``."""
        await self.accept(snapshot.imp_uid)
        assert await self.commit(await self.claim_one(lane), snapshot) == "ok"

    async def subscribe(self, name: str = "ep_1", *, places: int | None = None, **fields: Any) -> Lane:
        """Add an endpoint that has so many places by now, or all that it allows; its lane."""
        one = endpoint(name, **fields)
        await self.ledger.endpoints.create(one)
        await self.give_places(name, one.max_in_flight if places is None else places, one.merchant)
        return Lane("deliver", name, cell_of(one.merchant, cells_of(self.ledger)))

    async def give_places(self, name: str, places: int, merchant: str = "default") -> None:
        """Let an endpoint have so many places by now."""
        await self.redis.hset(
            self._key("endpoint", name, merchant=merchant), "places", dump_places(Places(float(places)))
        )

    async def take(self, lane: Lane, limit: int = 100) -> Sequence[ClaimedDelivery]:
        """Lease deliveries that are due."""
        return (await self.ledger.delivery_lane.claim(lane, limit)).deliveries

    async def take_one(self, lane: Lane) -> ClaimedDelivery:
        """Lease the only delivery that is due."""
        (claimed,) = await self.take(lane)
        return claimed

    async def settle(self, delivery: ClaimedDelivery, verdict: Verdict | None = None) -> Settled:
        """Settle a delivery, as delivered unless something else is said."""
        verdict = verdict or Delivered()
        return await self.ledger.delivery_lane.settle(
            delivery.lease, verdict, [attempt(isinstance(verdict, Delivered))]
        )

    async def fail(self, delivery: ClaimedDelivery, again_in: float = 60.0) -> Settled:
        """Settle a delivery as failed, to be tried again."""
        return await self.settle(delivery, Retry(again_in, because("answered 500")))

    async def bury(self, delivery: ClaimedDelivery) -> Settled:
        """Settle a delivery as dead."""
        return await self.settle(delivery, Dead(because("dead after 1 attempt")))

    async def record_for(self, lane: Lane, count: int, *, first: int = 0) -> None:
        """Have so many events to deliver, each of another payment, which are numbered from `first`."""
        for n in range(first, first + count):
            await self.look(paid(f"imp_{lane.name}_{n:02}"))

    async def tidy(self, older_than: float) -> int:
        """One step of retention, with a history that has everything."""
        await self.ledger.outbox.trim_all({0: (await self.ledger.outbox.state_of(0)).last})
        return await self.ledger.retention.tidy(older_than=older_than)

    async def state(self, delivery: ClaimedDelivery) -> str:
        """The stored state of a delivery."""
        return (await self.rows("dlv"))[delivery.id]["state"]

    async def outcome(self, one: Notification) -> str:
        """What became of a notification."""
        return (await stored_payments.outcomes(self.redis))[one.id]

    async def due(self, lane: Lane) -> dict[str, int]:
        """What waits in a lane, with its due times in ms."""
        return await self.scores("due", str(lane))

    async def silent(self, lane: Lane) -> set[str]:
        """The payments of a lane whose next refresh is silent."""
        return {name.decode() for name in await self.redis.smembers(self._key("silent", str(lane)))}

    async def tries(self, lane: Lane, imp_uid: str) -> int:
        """How many look-ups of a payment have failed so far."""
        return int(await self.redis.hget(self._key("tries", str(lane)), imp_uid) or 0)

    async def places(self, endpoint: str) -> float:
        """How many places an endpoint has by now."""
        return load_places(await self.redis.hget(self._key("endpoint", endpoint), "places")).count

    async def health(self, endpoint: str) -> bytes | None:
        """An endpoint's health as it is stored; None while nothing was noted."""
        row: bytes | None = await self.redis.hget(self._key("endpoint", endpoint), "health")
        return row

    async def endpoint_row(self, endpoint: str) -> bytes:
        """An endpoint's row as it is stored."""
        row: bytes = await self.redis.hget(self._key("endpoint", endpoint), "row")
        return row

    async def damage_endpoint(self, endpoint: str, row: bytes | str) -> None:
        """Store any text in the place of an endpoint's row."""
        await self.redis.hset(self._key("endpoint", endpoint), "row", row)

    async def damage_events(self) -> None:
        """Let the index of events be no index: nothing can be committed."""
        await self.redis.set(self._key("events"), "no hash")

    async def write_meanwhile(self, payment: str) -> None:
        """Let somebody else have written a payment: another version of it than anybody knows."""
        await self.redis.hset(self._key("pay", payment), "head", "999 1 1    order")

    async def forget_payment(self, payment: str) -> None:
        """Let a payment have left, or be lost: its record, events and deliveries."""
        await self.redis.delete(self._key("pay", payment))

    async def forget_all_payments(self) -> None:
        """Let everything that belongs to payments have left, and replays and reconciliations as well."""
        gone = tuple(self._key(start) for start in ("pay", "evt", "events", "dlvs", "replay:", "recon:"))
        for name in await self.redis.keys("*"):
            if name.decode().startswith(gone):
                await self.redis.delete(name)

    async def lead(self, what: str, who: str) -> None:
        """Let somebody do for ever what one worker does alone, e.g. `record`."""
        await self.redis.set(self._key("leader", what), who)

    async def let_lead(self, what: str) -> None:
        """Let anybody do that again."""
        await self.redis.delete(self._key("leader", what))

    async def rewriting(self, on: bool) -> None:
        """Let what the ledger holds be written to history again, or not any more."""
        name = self._key("rewriting")
        await (self.redis.hset(name, "run", "1") if on else self.redis.delete(name))

    async def ids(self, kind: str) -> set[str]:
        """The ids of all rows of a kind: `pay`, `evt`, `dlv`."""
        if kind in ("evt", "dlv"):
            return set(await self.rows(kind))
        names = [name async for name in self.redis.scan_iter(self._key(kind, "*"), count=1000)]
        return {name.decode().removeprefix(self._key(kind, "")) for name in names}

    async def rows(self, kind: str) -> dict[str, Row]:
        """All events (`evt`), deliveries (`dlv`) or objects (`snaps`, by payment), taken out of their rows."""
        return await stored_rows.read(self.redis, kind)

    async def change(self, field: str, **fields: str | bytes) -> None:
        """Store other values of an event, ``e:id``, or a delivery, ``d:id``, of a payment."""
        event = field[2:].partition(".")[0]
        row = self._key("pay", (await self.redis.hget(self._key("events"), event)).decode().partition(" ")[2])
        await self.redis.hset(row, field, changed(field, await self.redis.hget(row, field), **fields))

    async def put(self, payment: str, field: str, **fields: str | bytes) -> None:
        """Store an event or a delivery of a payment, as it is."""
        await self.redis.hset(self._key("events"), field[2:].partition(".")[0], f" {payment}")
        await self.redis.hset(self._key("pay", payment), field, packed(field, fields))

    async def scores(self, *parts: str) -> dict[str, int]:
        """A sorted set."""
        rows = await self.redis.zrange(self._key(*parts), 0, -1, withscores=True)
        return {member.decode(): round(score) for member, score in rows}

    async def lanes(self) -> dict[str, int]:
        """When each lane next wants a worker, in ms."""
        return await self.scores("lanes")

    async def kicked(self, lane: Lane) -> bool:
        """Whether a kick of this lane is under way."""
        return bool(await self.redis.exists(self._key("kicked", str(lane))))

    async def messages(self, queue: str) -> int:
        """How many kicks wait in a queue."""
        return await kicks_sent(self.ledger, queue)

    async def forget_kicks(self) -> None:
        """As if every kick had been lost, and some time ago."""
        if names := [name async for name in self.redis.scan_iter(self._key("kicked", "*"))]:
            await self.redis.delete(*names)

    async def lose(self, *leases: Lease) -> None:
        """End these leases, as time would: whoever holds them has not renewed them, as others have theirs."""
        for lease in leases:
            await self.redis.zadd(self._key("leased", str(lease.lane)), {lease.member: 1}, xx=True, lt=True)
            await self.redis.zadd(self._key("lanes"), {str(lease.lane): 1}, xx=True, lt=True)
        await self.others_renew()

    async def others_renew(self) -> None:
        """Let other workers have renewed their leases all the while: what has ended may be taken up."""
        now = round(await self.ledger.now() * 1000)
        await self.redis.mset({self._key("renewed_at"): now, self._key("renewed_again_at"): 0})

    async def pass_time(self, seconds: float, *, renewing: bool = True) -> None:
        """Let it be later, for everything that waits in a lane or limits one. Other workers go on renewing their leases
        meanwhile, unless they are not `renewing`: Redis is away."""
        args = (round(seconds * 1000), cell_prefix(0), int(renewing), *_IN_LANES)
        await self.redis.execute_command("EVAL", _PASS_TIME, 0, *args)
