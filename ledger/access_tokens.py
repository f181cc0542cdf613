"""i'mport's access tokens, shared by all processes: `iamport.access_tokens.TokenStore`."""

from __future__ import annotations

from ledger.store import Store


class TokenCache:
    """One token for each pair of credentials, until it expires; ``name`` identifies the pair."""

    def __init__(self, shared: Store) -> None:
        self._store = shared

    async def get_token(self, name: str) -> tuple[str, float] | None:
        """The token and the seconds it has left. Raises `LedgerUnavailable`, as all of these do."""
        found = await self._store.run("get_access_token", name)
        return (found[0].decode(), int(found[1]) / 1000) if found else None

    async def put_token(self, name: str, token: str, ttl: float) -> None:
        """Store ``token`` for ``ttl`` seconds."""
        await self._store.run("put_access_token", name, token, max(round(ttl * 1000), 1))

    async def forget_token(self, name: str, token: str) -> None:
        """Remove the token, if it is still this one."""
        await self._store.run("remove_access_token", name, token)

    async def lock_token(self, name: str, ttl: float) -> bool:
        """Whether the caller may fetch a new token from i'mport; if so, no other caller may for ``ttl`` seconds."""
        return bool(await self._store.run("lock_access_token", name, max(round(ttl * 1000), 1)))
