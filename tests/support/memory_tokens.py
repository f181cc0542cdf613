"""The store of tokens that the ledger is in production, in memory."""

from __future__ import annotations

import time


class MemoryTokens:
    """Several clients with one of these are several processes with one Redis."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, float]] = {}
        self.locks: dict[str, float] = {}

    async def get_token(self, name: str) -> tuple[str, float] | None:
        """The token and the seconds it has left."""
        token, until = self.tokens.get(name, ("", 0.0))
        left = until - time.monotonic()
        return (token, left) if left > 0 else None

    async def put_token(self, name: str, token: str, ttl: float) -> None:
        """Keeps it for ``ttl`` seconds."""
        self.tokens[name] = (token, time.monotonic() + ttl)

    async def forget_token(self, name: str, token: str) -> None:
        """Removes it, if it is still this one."""
        if self.tokens.get(name, ("", 0.0))[0] == token:
            del self.tokens[name]

    async def lock_token(self, name: str, ttl: float) -> bool:
        """True for one caller in ``ttl`` seconds."""
        if self.locks.get(name, 0.0) > time.monotonic():
            return False
        self.locks[name] = time.monotonic() + ttl
        return True
