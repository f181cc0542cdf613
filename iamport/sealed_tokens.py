"""Access tokens are sealed before they are stored: a stolen one could cancel payments for half an hour."""

from __future__ import annotations

from iamport.access_tokens import TokenStore
from runtime.encryption import Sealer
from schemas.errors import Unreadable


class SealedTokens:
    """A `TokenStore` that stores tokens sealed in another one. A token that no key opens counts as missing."""

    def __init__(self, store: TokenStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def get_token(self, name: str) -> tuple[str, float] | None:
        """The token and the seconds it has left."""
        found = await self._store.get_token(name)
        token = None if found is None else self._opened(found[0])
        return None if found is None or token is None else (token, found[1])

    async def put_token(self, name: str, token: str, ttl: float) -> None:
        """Stores ``token`` for ``ttl`` seconds."""
        await self._store.put_token(name, self._sealer.seal(token), ttl)

    async def forget_token(self, name: str, token: str) -> None:
        """Removes the token, if it is still this one."""
        found = await self._store.get_token(name)
        if found is not None and self._opened(found[0]) == token:
            await self._store.forget_token(name, found[0])

    async def lock_token(self, name: str, ttl: float) -> bool:
        """Locks the token for ``ttl`` seconds. Returns whether the caller got the lock and may ask for a new token."""
        return await self._store.lock_token(name, ttl)

    def _opened(self, sealed: str) -> str | None:
        try:
            return self._sealer.open(sealed)
        except Unreadable:
            return None
