"""What tests of accepting share: notifications, and a ledger in a list that can be made to fail."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from receiver.spool import FileSpool
from schemas.errors import LedgerUnavailable, UnknownMerchant
from schemas.payments.notification import Notification, new_id
from schemas.reasons import Reason
from tests.support import ledger_driver
from tests.support.reasons import because

MakeSpool = Callable[..., FileSpool]

_rng = random.Random(20)


def notification(number: int = 1, *, merchant: str = "default", token_hash: str | None = None) -> Notification:
    """A webhook for the payment `imp_{number}`."""
    return ledger_driver.notification(
        f"imp_{number}", id=new_id(1_790_000_000.0 + number, _rng), merchant=merchant, merchant_uid=f"주문 {number}",
        source="52.78.100.19", extra=b'{"amount":1004.10}', token_hash=token_hash,
    )  # fmt: skip


@dataclass
class Durability:
    """How safe the listed ledger says it is."""

    durable: bool = True
    weaknesses: tuple[Reason, ...] = ()


@dataclass
class ListedLedger:
    """A ledger that keeps notifications in a list, each id once. `failure` is raised by every call while it is set;
    `meanwhile` is awaited while a notification is accepted."""

    merchants: dict[str, str | None] = field(default_factory=lambda: {"default": None})
    state: Durability = field(default_factory=Durability)
    failure: Exception | None = None
    meanwhile: Callable[[], Awaitable[object]] | None = None
    fails_for: dict[str, Exception] = field(default_factory=dict)
    """What `accept` raises, by `imp_uid`."""
    taken: list[Notification] = field(default_factory=list)
    calls: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    refused_bodies: Counter[str] = field(default_factory=Counter)

    @property
    def imp_uids(self) -> list[str]:
        """What was accepted, in order."""
        return [one.imp_uid for one in self.taken]

    async def accept(self, notification: Notification, /) -> None:
        """As the real one; each call is counted."""
        self.calls += 1
        await self._answer()
        if self.meanwhile is not None:
            await self.meanwhile()
        if notification.imp_uid in self.fails_for:
            raise self.fails_for[notification.imp_uid]
        if self.merchants.get(notification.merchant, "") != notification.token_hash:
            raise UnknownMerchant
        if all(one.id != notification.id for one in self.taken):
            self.taken.append(notification)

    async def takes_webhooks(self, merchant: str, token_hash: str | None, /) -> bool:
        """Whether it has such a merchant."""
        await self._answer()
        return self.merchants.get(merchant, "") == token_hash

    async def durability(self) -> Durability:
        """As it was set."""
        await self._answer()
        return self.state

    async def known_merchants(self) -> Mapping[str, str | None]:
        """The merchants it has."""
        await self._answer()
        return self.merchants

    async def count_refusals(self, by_status: Mapping[str, int], by_reason: Mapping[str, int], /) -> None:
        """Keep the sums."""
        await self._answer()
        self.refusals.update(by_status)
        self.refused_bodies.update(by_reason)

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure


def weakness(setting: str, value: str, needed: str) -> Reason:
    """Why a Redis with this setting is not durable."""
    return Reason.of("setting_weak", setting=setting, value=value, needed=needed)


def away() -> LedgerUnavailable:
    """The error of a Redis that cannot be reached."""
    return LedgerUnavailable(because("Redis is unavailable: connection refused"))


async def keep(spool: FileSpool, *numbers: int) -> list[Notification]:
    """Accept webhooks one after the other."""
    kept = [notification(number) for number in numbers]
    for one in kept:
        await spool.accept(one)
    return kept


def files(folder: Path) -> list[Path]:
    """What is in a folder."""
    return sorted(folder.iterdir())
