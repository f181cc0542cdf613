"""When a receiver checks Redis: each minute, and more often while Redis is away or not durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from receiver.acceptor import RedisState


class RedisWatch:
    """A periodic step that checks Redis in every round while it is away or not durable, else in every `rounds`-th."""

    def __init__(self, check: Callable[[], Awaitable[RedisState]], rounds: int) -> None:
        self._check = check
        self._rounds = rounds
        self._skip = 0

    async def step(self) -> None:
        """One round."""
        if self._skip > 0:
            self._skip -= 1
            return
        state = await self._check()
        self._skip = self._rounds - 1 if state.available and state.durable else 0
