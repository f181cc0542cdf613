"""Accepting: a notification is stored in the ledger, or else in the spool, before its webhook is acknowledged. The
spool drains into the ledger.

While the ledger fails, no webhook waits for it: a breaker sends them all straight to the spool until a probe succeeds.

Only the ledger refuses a merchant or a token: i'mport does not send again after a 404, and the receiver's list of
merchants may be old. While the ledger cannot be asked, webhooks of unknown merchants are spooled within a budget, and
the ledger decides about them when the spool drains.

With RELAY_REQUIRE_DURABLE only a durable Redis counts. Until Redis is durable, every webhook is acknowledged from the
spool and stays there. Redis gets it as well, so that work goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

import structlog

from receiver.breaker import Breaker
from receiver.interfaces import Place, Postponed, ReadDurability, Spool, WebhookLedger
from receiver.known_merchants import KnownMerchants
from receiver.metrics import ReceiverMetrics
from schemas.errors import BudgetSpent, LedgerUnavailable, SpoolUnavailable, UnknownMerchant
from schemas.payments.notification import Notification
from schemas.reasons import Reason, english

STATE_IS_GOOD_FOR = 1.0
"""Seconds before Redis is asked about its state again."""
REFUSALS_LOGGED = 100
"""Refused webhooks of one draining that get a log line each; the line at its end has the total."""
FAILURES_PASSED_OVER = 100
"""How many spooled webhooks may fail in one draining because of our own bugs. With more, the ledger counts as away."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RedisState:
    """Redis' state, and the reasons if it is away or not durable. `durable` is None until Redis has answered."""

    available: bool
    durable: bool | None
    reasons: tuple[Reason, ...]


class Acceptor:
    """Stores notifications, and drains the spool. `clock` is UNIX time in seconds."""

    def __init__(
        self,
        ledger: WebhookLedger,
        durability: ReadDurability,
        spool: Spool,
        metrics: ReceiverMetrics,
        merchants: KnownMerchants,
        *,
        require_durable: bool = False,
        write_cache: Callable[[Mapping[str, str | None]], bool] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`write_cache` writes a new list of merchants to disk and returns whether it could. It runs in a thread."""
        self._ledger = ledger
        self._durability = durability
        self._spool = spool
        self._metrics = metrics
        self._merchants = merchants
        self._require_durable = require_durable
        self._write_cache = write_cache
        self._cache_is_current = True
        self._clock = clock
        self._breaker = Breaker()
        self._durable: bool | None = None
        self._weaknesses: tuple[Reason, ...] = ()
        self._checked_at = float("-inf")
        self.spool_trouble: Reason | None = None
        """Why the spool failed last; None while it works."""
        self._trusted = not require_durable
        self._refused_spooled = 0
        self._failed: set[str] = set()
        """Ids of the spooled webhooks on which the ledger failed in the last draining."""
        self._failed_before: set[str] = set()

    @property
    def redis(self) -> RedisState:
        """The state of Redis after its latest answer or failure."""
        failure = self._breaker.reason
        reasons = self._weaknesses if failure is None else (failure, *self._weaknesses)
        return RedisState(self._breaker.closed, self._durable, reasons)

    @property
    def acknowledges_from_redis(self) -> bool:
        """Whether webhooks are acknowledged as soon as Redis has them."""
        return self._trusted and self._breaker.closed

    async def accept(self, notification: Notification, source: str) -> Place:
        """Store a notification durably, and return where. If its merchant is not known and the ledger cannot be asked,
        it counts for the budget of `source`, which is "" for i'mport's own addresses.

        Raises `UnknownMerchant` if the ledger does, and `SpoolUnavailable` if neither ledger nor spool could store it.
        """
        is_known = False
        if self._breaker.closed:
            if not self._trusted:
                is_known = await self._ledger_takes(notification)
            elif await self._in_ledger(notification):
                return "redis"
        is_known = is_known or self._merchants.knows(notification.merchant, notification.token_hash)
        stamped = replace(notification, received_at=notification.received_at or self._clock())
        try:
            await self._spool.accept(stamped, budget=None if is_known else source)
        except SpoolUnavailable as error:
            if not isinstance(error, BudgetSpent):
                self._log_spool(error.reason)
            # The last resort: if a probe is due, this webhook is the probe.
            if self._trusted and self._breaker.admits(time.monotonic()) and await self._in_ledger(notification):
                return "redis"
            raise
        return "spool"

    async def check_redis(self) -> RedisState:
        """Ask Redis about its state, unless that was just done. A failure trips the breaker. An answer closes it only
        if nothing waits in the spool: Redis may answer and still be full, which only draining finds out."""
        if time.monotonic() - self._checked_at < STATE_IS_GOOD_FOR:
            return self.redis
        self._checked_at = time.monotonic()
        try:
            found = await self._durability()
        except LedgerUnavailable as error:
            self._trip(error.reason)
            return self.redis
        if (found.durable, found.weaknesses) != (self._durable, self._weaknesses):
            log.info("redis_durability", durable=found.durable, reasons=list(map(english, found.weaknesses)))
        self._durable, self._weaknesses = found.durable, found.weaknesses
        self._trusted = found.durable or not self._require_durable
        if not self._undecided:
            self._reset()
        return self.redis

    async def learn_merchants(self) -> None:
        """Fetch the list of merchants, for use while the ledger is unavailable."""
        if not self._breaker.closed:
            return
        known = await self._ledger.known_merchants()
        if self._merchants.learn(known):
            self._cache_is_current = False
        if not self._cache_is_current and self._write_cache is not None:
            self._cache_is_current = await asyncio.to_thread(self._write_cache, known)

    async def report_refusals(self) -> None:
        """Add the refused webhooks to the counts that operators see. Raises `LedgerUnavailable`."""
        refusals = self._metrics.take_unreported()
        try:
            if refusals.by_status:
                await self._ledger.count_refusals(refusals.by_status, refusals.by_reason)
        except LedgerUnavailable:
            self._metrics.restore_unreported(refusals)
            raise

    async def drain(self) -> None:
        """Move what waits in the spool to the ledger; while the ledger fails, probe it instead."""
        if not self._breaker.admits(time.monotonic()):
            return
        if not self._breaker.closed and not self._undecided:
            self._checked_at = float("-inf")
            if not (await self.check_redis()).available:
                return
        before = self._metrics.drained.value()
        self._refused_spooled = 0
        self._failed_before, self._failed = self._failed, set()
        try:
            keep = not self._trusted
            await self._spool.drain(partial(self._accept_spooled, keep=keep), keep=keep)
            self._log_spool(None)
        except LedgerUnavailable as error:
            self._trip(error.reason)
        except SpoolUnavailable as error:
            self._log_spool(error.reason)
        if (drained := self._metrics.drained.value() - before) > 0:
            log.info(
                "spool_drained",
                count=drained,
                refused=self._refused_spooled,
                waiting=self._spool.waiting,
            )

    @property
    def _undecided(self) -> bool:
        """Whether draining will show if the ledger works: the spool has rows that have not failed by a bug."""
        return self._spool.waiting > len(self._failed)

    async def _in_ledger(self, notification: Notification) -> bool:
        try:
            await self._ledger.accept(notification)
        except LedgerUnavailable as error:
            self._trip(error.reason)
            return False
        except UnknownMerchant:
            raise
        except Exception as error:
            # A bug of ours must not cost a webhook: it stays in the spool until the bug is fixed.
            log.exception("ledger_failed", notification=notification.id)
            self._trip(_ledger_failed(error))
            return False
        self._reset()
        return True

    async def _ledger_takes(self, notification: Notification) -> bool:
        """True if the ledger takes webhooks of this merchant and token, False if it is unavailable.
        Raises `UnknownMerchant`."""
        try:
            takes = await self._ledger.takes_webhooks(notification.merchant, notification.token_hash)
        except LedgerUnavailable as error:
            self._trip(error.reason)
            return False
        except Exception as error:
            # A bug of ours must not cost a webhook: it stays in the spool until the bug is fixed.
            log.exception("ledger_failed", notification=notification.id)
            self._trip(_ledger_failed(error))
            return False
        if not takes:
            raise UnknownMerchant
        return True

    async def _accept_spooled(self, notification: Notification, *, keep: bool) -> None:
        """Pass one spooled notification to the ledger; with `keep` its row stays in the spool.

        A notification that the ledger refuses is counted and logged, unless its row stays: a Redis that is not durable
        may have lost the merchant, which may come back. Raises `LedgerUnavailable`, also if Redis stops being durable
        while rows are removed: then this row must stay.
        """
        is_refused = False
        try:
            await self._ledger.accept(notification)
        except UnknownMerchant:
            is_refused = True
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  # `_postpone` logs it
            self._postpone(notification, error)
        if not keep:
            if not self._trusted:
                raise LedgerUnavailable(Reason.of("redis_not_durable"))
            if is_refused:
                self._refuse_spooled(notification)
        self._reset()
        self._metrics.drained.add()

    def _postpone(self, notification: Notification, error: Exception) -> NoReturn:
        """Leave a row in the spool that failed in the ledger: a bug must neither lose it nor stop the receiver."""
        reason = _ledger_failed(error)
        if len(self._failed) >= FAILURES_PASSED_OVER:
            raise LedgerUnavailable(reason) from error
        if notification.id not in self._failed_before:
            trace = None if self._failed else error  # one is enough: the others most likely have the same cause
            log.error("spooled_webhook_failed", notification=notification.id, reason=english(reason), exc_info=trace)
        self._failed.add(notification.id)
        raise Postponed from error

    def _refuse_spooled(self, notification: Notification) -> None:
        label = self._merchants.label(notification.merchant)
        self._metrics.refuse(label, 404)
        self._refused_spooled += 1
        if self._refused_spooled <= REFUSALS_LOGGED:
            log.warning(
                "spooled_webhook_refused", merchant=label, notification=notification.id, imp_uid=notification.imp_uid
            )

    def _trip(self, reason: Reason) -> None:
        if self._breaker.trip(time.monotonic(), reason):
            log.warning("redis_unavailable", reason=english(reason))

    def _reset(self) -> None:
        if self._breaker.reset():
            log.info("redis_available", spooled=self._spool.waiting)

    def _log_spool(self, trouble: Reason | None) -> None:
        if trouble != self.spool_trouble:
            self.spool_trouble = trouble
            if trouble is None:
                log.info("spool_available")
            else:
                log.error("spool_unavailable", reason=english(trouble))


def _ledger_failed(error: Exception) -> Reason:
    return Reason.of("ledger_failed", error_type=type(error).__name__)
