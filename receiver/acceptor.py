"""Where an accepted notification is put: the ledger, else the spool; and how it gets from there to the ledger.

While the ledger fails nobody waits for it: a breaker sends everything straight to the spool until a probe succeeds.
Only the ledger refuses a merchant or a token, since i'mport does not send again after a 404 and any list may be old:
while it cannot be asked, such a webhook is spooled within a budget, and the ledger decides when the spool drains.
With RELAY_REQUIRE_DURABLE only a durable Redis counts: until it is durable everything is acknowledged from the spool
and stays there, and Redis gets it too, so that work goes on.
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
from receiver.known_merchants import KnownMerchants
from receiver.metrics import ReceiverMetrics
from receiver.ports import Ledger, Place, Postponed, Spool
from schemas.errors import BudgetSpent, LedgerUnavailable, SpoolUnavailable, UnknownMerchant
from schemas.payments.notification import Notification

LOOK_AGAIN = 1.0
"""Seconds for which an answer about Redis' state is good."""
REFUSALS_LOGGED = 100
"""Refused webhooks of one draining that get a line each; how many there were is said when it is done."""
FAILURES_PASSED_OVER = 100
"""Spooled webhooks on which the ledger may fail in one draining by a mistake of ours; with more it counts as away."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RedisState:
    """What is known of Redis. `durable` is None until it has been asked; `reasons` say in words what is weak."""

    available: bool
    durable: bool | None
    reasons: tuple[str, ...]


class Acceptor:
    """Keeps notifications, and drains the spool. `clock` is UNIX time in seconds."""

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        counts: ReceiverMetrics,
        merchants: KnownMerchants,
        *,
        require_durable: bool = False,
        remember: Callable[[Mapping[str, str | None]], bool] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`remember` writes a new list of merchants down, in a thread of its own; whether it could."""
        self._ledger = ledger
        self._spool = spool
        self._counts = counts
        self._merchants = merchants
        self._require_durable = require_durable
        self._remember = remember
        self._is_remembered = True
        self._clock = clock
        self._breaker = Breaker()
        self._durable: bool | None = None
        self._reasons: tuple[str, ...] = ()
        self._looked = float("-inf")
        self.spool_trouble: str | None = None
        """Why the spool could not keep something, in words."""
        self._trusted = not require_durable
        self._refused_spooled = 0
        self._failed: set[str] = set()
        """Ids of the spooled webhooks on which the ledger failed in the last draining."""
        self._failed_before: set[str] = set()

    @property
    def redis(self) -> RedisState:
        """Redis as it was when it was last heard of."""
        reasons = self._reasons if self._breaker.reason is None else (self._breaker.reason, *self._reasons)
        return RedisState(self._breaker.closed, self._durable, reasons)

    @property
    def acknowledges_from_redis(self) -> bool:
        """Whether webhooks are acknowledged as soon as Redis has them."""
        return self._trusted and self._breaker.closed

    async def keep(self, notification: Notification, source: str) -> Place:
        """Put a notification on disk, and say where. `source` is whose budget it takes up if its merchant is not known
        and the ledger cannot be asked, "" for i'mport's own addresses.

        Raises `UnknownMerchant` where the ledger says so, and `SpoolUnavailable` when it could be kept nowhere.
        """
        is_known = False
        if self._breaker.closed:
            if not self._trusted:
                is_known = await self._is_welcome(notification)
            elif await self._in_ledger(notification):
                return "redis"
        is_known = is_known or self._merchants.knows(notification.merchant, notification.token_hash)
        stamped = replace(notification, received_at=notification.received_at or self._clock())
        try:
            await self._spool.accept(stamped, budget=None if is_known else source)
        except SpoolUnavailable as error:
            if not isinstance(error, BudgetSpent):
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
        if not self._undecided:
            self._reset()
        return self.redis

    async def learn_merchants(self) -> None:
        """Note which merchants there are, for the time when the ledger cannot be asked."""
        if not self._breaker.closed:
            return
        known = await self._ledger.known_merchants()
        if self._merchants.learn(known):
            self._is_remembered = False
        if not self._is_remembered and self._remember is not None:
            self._is_remembered = await asyncio.to_thread(self._remember, known)

    async def report_refusals(self) -> None:
        """Add what was refused to the counts that operators see. Raises `LedgerUnavailable`."""
        counts = self._counts.take_unreported()
        try:
            if counts.by_status:
                await self._ledger.count_refusals(counts.by_status, counts.by_reason)
        except LedgerUnavailable:
            self._counts.give_back(counts)
            raise

    async def drain(self) -> None:
        """Move what waits in the spool to the ledger; while the ledger fails, see whether it still does."""
        if not self._breaker.admits(time.monotonic()):
            return
        if not self._breaker.closed and not self._undecided:
            self._looked = float("-inf")
            if not (await self.look()).available:
                return
        before = self._counts.drained
        self._refused_spooled = 0
        self._failed_before, self._failed = self._failed, set()
        try:
            keep = not self._trusted
            await self._spool.drain(partial(self._accept_spooled, keep=keep), keep=keep)
            self._note_spool(None)
        except LedgerUnavailable as error:
            self._trip(str(error))
        except SpoolUnavailable as error:
            self._note_spool(str(error))
        if self._counts.drained != before:
            log.info(
                "spool_drained",
                count=self._counts.drained - before,
                refused=self._refused_spooled,
                waiting=self._spool.waiting,
            )

    @property
    def _undecided(self) -> bool:
        """Whether something waits in the spool that will show whether the ledger works."""
        return self._spool.waiting > len(self._failed)

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

    async def _is_welcome(self, notification: Notification) -> bool:
        """Whether the ledger has said that it takes webhooks of this merchant and token; False when it cannot be asked.
        Raises `UnknownMerchant`."""
        try:
            welcome = await self._ledger.takes_webhooks(notification.merchant, notification.token_hash)
        except LedgerUnavailable as error:
            self._trip(str(error))
            return False
        except Exception as error:
            # A mistake of ours must not cost a webhook: the spool keeps it until it is mended.
            log.exception("ledger_failed", notification=notification.id)
            self._trip(f"the ledger failed: {type(error).__name__}")
            return False
        if not welcome:
            raise UnknownMerchant("No such merchant, or a wrong webhook token.")
        return True

    async def _accept_spooled(self, notification: Notification, *, keep: bool) -> None:
        """Hand one spooled notification over; `keep` says whether its row stays in the spool. One that the ledger
        refuses was acknowledged in vain. A Redis that is not trusted may have lost a merchant that will be back: while
        the row is kept, nothing is decided.

        Raises `LedgerUnavailable` also when Redis stops being trusted while rows are removed: this one must stay."""
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
                raise LedgerUnavailable("Redis is no longer durable")
            if is_refused:
                self._refuse_spooled(notification)
        self._reset()
        self._counts.drained += 1

    def _postpone(self, notification: Notification, error: Exception) -> NoReturn:
        """A mistake of ours must neither cost a webhook nor end the receiver: it would meet the same row again."""
        reason = f"the ledger failed: {type(error).__name__}"
        if len(self._failed) >= FAILURES_PASSED_OVER:
            raise LedgerUnavailable(reason) from error
        if notification.id not in self._failed_before:
            trace = None if self._failed else error  # one is enough: the others are most likely the same mistake
            log.error("spooled_webhook_failed", notification=notification.id, reason=reason, exc_info=trace)
        self._failed.add(notification.id)
        raise Postponed(reason) from error

    def _refuse_spooled(self, notification: Notification) -> None:
        label = self._merchants.label(notification.merchant)
        self._counts.refuse(label, 404)
        self._refused_spooled += 1
        if self._refused_spooled <= REFUSALS_LOGGED:
            log.warning(
                "spooled_webhook_refused", merchant=label, notification=notification.id, imp_uid=notification.imp_uid
            )

    def _trip(self, reason: str) -> None:
        if self._breaker.trip(time.monotonic(), reason):
            log.warning("redis_unavailable", reason=reason)

    def _reset(self) -> None:
        if self._breaker.reset():
            log.info("redis_available", spooled=self._spool.waiting)

    def _note_spool(self, trouble: str | None) -> None:
        if trouble != self.spool_trouble:
            self.spool_trouble = trouble
            log.log(20 if trouble is None else 40, "spool_state", trouble=trouble)
