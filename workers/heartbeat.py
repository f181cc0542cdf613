"""A worker's heartbeat in the ledger: when it ran, the lane it worked on last, and what keeps it from working."""

from __future__ import annotations

import time
from typing import Any

from dramatiq import Broker, MessageProxy
from dramatiq.middleware import Middleware

from ledger.acl_watch import AclWatch
from ledger.heartbeats import Heartbeat, Heartbeats
from runtime.version import relay_version


class HeartbeatMiddleware(Middleware):
    """Reports under a worker's name. As a Dramatiq middleware it learns which lane was worked on."""

    def __init__(self, workers: Heartbeats, watch: AclWatch, name: str) -> None:
        self._workers = workers
        self._watch = watch
        self._name = name
        self._began = time.monotonic()
        self._last: tuple[str, float] | None = None

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Remember the lane that was worked on."""
        del broker, result, exception
        self._last = str(message.args[0]), time.monotonic()

    async def report(self) -> None:
        """Write a heartbeat. Raises `LedgerUnavailable`."""
        await self._workers.report(self._name, self._sign())

    async def sign_off(self) -> None:
        """Remove the heartbeat, as this worker stops. Raises `LedgerUnavailable`."""
        await self._workers.sign_off(self._name)

    def _sign(self) -> Heartbeat:
        now, seen = time.monotonic(), self._watch.seen
        broken = None if seen is None else seen.broken
        lane, at = self._last or (None, None)
        return Heartbeat(
            version=relay_version(),
            up=now - self._began,
            lane=lane,
            ago=None if at is None else now - at,
            trouble=None if broken is None else broken.reason,
        )
