"""Where an accepted notification is put: the ledger, else the spool; and how it gets from there to the ledger.

While the ledger fails nobody waits for it: a breaker sends everything straight to the spool until a probe succeeds.
With RELAY_REQUIRE_DURABLE only a durable Redis counts: until it is durable everything is acknowledged from the spool
and stays there, and Redis gets it too, so that work goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from receiver.breaker import Breaker
from receiver.counts import Counts
from receiver.merchants import KnownMerchants
from receiver.ports import Ledger, Place, Spool
from schemas.errors import LedgerUnavailable, SpoolUnavailable, UnknownMerchant
from schemas.notification import Notification

LOOK_AGAIN = 1.0
"""Seconds for which an answer about Redis' state is good."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RedisState:
    """What is known of Redis. `durable` is None until it has been asked; `reasons` say in words what is weak."""

    available: bool
    durable: bool | None
    reasons: tuple[str, ...]


class Keeper:
    """Keeps notifications, and drains the spool. `clock` is UNIX time in seconds."""

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        counts: Counts,
        merchants: KnownMerchants,
        *,
        require_durable: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._counts = counts
        self._merchants = merchants
        self._require_durable = require_durable
        self._clock = clock
        self._breaker = Breaker()
        self._durable: bool | None = None
        self._reasons: tuple[str, ...] = ()
        self._looked = float("-inf")
        self._spool_trouble: str | None = None
        self._trusted = not require_durable

    @property
    def redis(self) -> RedisState:
        """Redis as it was when it was last heard of."""
        reasons = self._reasons if self._breaker.reason is None else (self._breaker.reason, *self._reasons)
        return RedisState(self._breaker.closed, self._durable, reasons)

    @property
    def acknowledges_from_redis(self) -> bool:
        """Whether webhooks are acknowledged as soon as Redis has them."""
        return self._trusted and self._breaker.closed

    async def keep(self, notification: Notification) -> Place:
        """Put a notification on disk, and say where. Raises `UnknownMerchant`, and `SpoolUnavailable` when it could
        be kept nowhere."""
        if self._trusted and self._breaker.closed and await self._in_ledger(notification):
            return "redis"
        if self._merchants.refuses(notification.merchant, notification.token_hash):
            raise UnknownMerchant("No such merchant, or a wrong webhook token.")
        try:
            await self._spool.accept(replace(notification, received_at=notification.received_at or self._clock()))
        except SpoolUnavailable as error:
            self._note_spool(str(error))
            # Nothing is left but to be the probe, where it is time for one.
            if self._trusted and self._breaker.admits(time.monotonic()) and await self._in_ledger(notification):
                return "redis"
            raise
        return "spool"

    async def look(self) -> RedisState:
        """Ask Redis how it is, unless that was just done. Its failing trips the breaker; its answering closes it only
        while nothing waits that will find out better: a Redis can answer and yet be full."""
        if time.monotonic() - self._looked < LOOK_AGAIN:
            return self.redis
        self._looked = time.monotonic()
        try:
            found = await self._ledger.durability()
        except LedgerUnavailable as error:
            self._trip(str(error))
            return self.redis
        if (found.durable, found.reasons) != (self._durable, self._reasons):
            log.info("redis_durability", durable=found.durable, reasons=list(found.reasons))
        self._durable, self._reasons = found.durable, tuple(found.reasons)
        self._trusted = found.durable or not self._require_durable
        if not self._spool.waiting:
            self._reset()
        return self.redis

    async def learn_merchants(self) -> None:
        """Note which merchants there are, for the time when the ledger cannot be asked."""
        if self._breaker.closed:
            self._merchants.learn(await self._ledger.known_merchants())

    async def report_refusals(self) -> None:
        """Add what was refused to the counts that operators see. Raises `LedgerUnavailable`."""
        counts = self._counts.take_unreported()
        try:
            if counts:
                await self._ledger.count_refusals(counts)
        except LedgerUnavailable:
            self._counts.give_back(counts)
            raise

    async def drain(self) -> None:
        """Move what waits in the spool to the ledger; while the ledger fails, see whether it still does."""
        if not self._breaker.admits(time.monotonic()):
            return
        if not self._breaker.closed and not self._spool.waiting:
            self._looked = float("-inf")
            if not (await self.look()).available:
                return
        before = self._counts.drained
        try:
            await self._spool.drain(self._accept_spooled, keep=not self._trusted)
            self._note_spool(None)
        except LedgerUnavailable as error:
            self._trip(str(error))
        except SpoolUnavailable as error:
            self._note_spool(str(error))
        if self._counts.drained != before:
            log.info("spool_drained", count=self._counts.drained - before, waiting=self._spool.waiting)

    async def _in_ledger(self, notification: Notification) -> bool:
        try:
            await self._ledger.accept(notification)
        except LedgerUnavailable as error:
            self._trip(str(error))
            return False
        except UnknownMerchant:
            raise
        except Exception as error:
            # A mistake of ours must not cost a webhook: the spool keeps it until it is mended.
            log.exception("ledger_failed", notification=notification.id)
            self._trip(f"the ledger failed: {type(error).__name__}")
            return False
        self._reset()
        return True

    async def _accept_spooled(self, notification: Notification) -> None:
        """Hand one spooled notification over. One whose merchant turns out to be unknown was acknowledged in vain."""
        try:
            await self._ledger.accept(notification)
        except UnknownMerchant:
            self._counts.refuse(self._merchants.label(notification.merchant), 404)
            log.warning("spooled_webhook_refused", notification=notification.id, imp_uid=notification.imp_uid)
        self._reset()
        self._counts.drained += 1

    def _trip(self, reason: str) -> None:
        if self._breaker.trip(time.monotonic(), reason):
            log.warning("redis_unavailable", reason=reason)

    def _reset(self) -> None:
        if self._breaker.reset():
            log.info("redis_available", spooled=self._spool.waiting)

    def _note_spool(self, trouble: str | None) -> None:
        if trouble != self._spool_trouble:
            self._spool_trouble = trouble
            log.log(20 if trouble is None else 40, "spool_state", trouble=trouble)
