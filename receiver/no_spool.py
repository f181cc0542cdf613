"""The spool that is switched off."""

from __future__ import annotations

from receiver.interfaces import Accept
from schemas.errors import SpoolUnavailable
from schemas.payments.notification import Notification
from schemas.reasons import Reason


class NoSpool:
    """Stores nothing."""

    waiting = 0

    async def accept(self, _notification: Notification, /, **_options: str | None) -> None:
        """Raises `SpoolUnavailable`."""
        raise SpoolUnavailable(Reason.of("spool_off"))

    async def drain(self, _accept: Accept, /, **_options: bool) -> int:
        """Nothing waits."""
        return 0

    async def trouble(self) -> Reason:
        """Always the same."""
        return Reason.of("spool_off")

    async def close(self) -> None:
        """There is nothing to release."""
