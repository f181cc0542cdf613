"""A worker's heartbeat in the ledger: how long it has run, its latest lane, and what keeps it from working."""

from __future__ import annotations

import time
from typing import Any

from dramatiq import Broker, MessageProxy
from dramatiq.middleware import Middleware

from ledger.acl_watch import AclWatch
from ledger.heartbeats import Heartbeat, Heartbeats
from ledger.keys import Lane
from runtime.version import relay_version


class HeartbeatMiddleware(Middleware):
    """Writes the heartbeats of the worker ``name``. It is a Dramatiq middleware to learn the latest lane."""

    def __init__(self, heartbeats: Heartbeats, watch: AclWatch, name: str) -> None:
        self._heartbeats = heartbeats
        self._watch = watch
        self._name = name
        self._began = time.monotonic()
        self._latest: tuple[str, float] | None = None

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Remember the lane that was worked on."""
        del broker, result, exception
        self.worked_on(message.args[0])

    def worked_on(self, lane_name: str) -> None:
        """Remember a lane as the latest."""
        self._latest = str(Lane.parse(lane_name)), time.monotonic()

    async def report(self) -> None:
        """Write a heartbeat. Raises `LedgerUnavailable`."""
        await self._heartbeats.report(self._name, self._heartbeat())

    async def sign_off(self) -> None:
        """Remove the heartbeat, as this worker stops. Raises `LedgerUnavailable`."""
        await self._heartbeats.sign_off(self._name)

    def _heartbeat(self) -> Heartbeat:
        now, rights = time.monotonic(), self._watch.seen
        broken = None if rights is None else rights.broken
        lane, at = self._latest or (None, None)
        return Heartbeat(
            version=relay_version(),
            up=now - self._began,
            lane=lane,
            ago=None if at is None else now - at,
            trouble=None if broken is None else broken.reason,
        )
