"""What all consoles must know about operators: attempts to sign in, sessions that have ended, use of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.store import Store

USE_REMEMBERED = 400 * 86400
"""Seconds for which the last use of a token is remembered."""


class Operators:
    """Sign-ins, sessions and tokens. Tokens are named by their fingerprint, sessions by one of their own.

    Each call raises `LedgerUnavailable`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def try_sign_in(self, source: str, *, of_source: int, of_all: int | None, within: float) -> float:
        """Count an attempt to sign in. Returns 0 if it may go on. If `of_source` attempts from its source or `of_all`
        from everywhere have failed `within` so many seconds, returns the seconds until it may be tried again. Without
        `of_all`, the source has only its own limit, and does not count among all."""
        most = "" if of_all is None else of_all
        left: int = await self._store.run("try_sign_in", source, of_source, most, round(within * 1000))
        return left / 1000

    async def forgive_sign_in(self, source: str, *, among_all: bool) -> None:
        """The attempt was successful, so it does not count. `among_all`: it was made with a limit of all sources."""
        await self._store.run("forgive_sign_in", source, int(among_all))

    async def end_session(self, name: str, left: float) -> None:
        """Remember that a session has ended for the `left` seconds in which its cookie would be valid."""
        await self._store.run("end_session", name, max(round(left * 1000), 1))

    async def has_ended(self, name: str) -> bool:
        """Whether the session has ended, in any console."""
        return bool(await self._store.run("has_session_ended", name))

    async def note_use(self, token: str) -> None:
        """Note that a token is used now."""
        await self._store.run("note_api_token_use", token, USE_REMEMBERED * 1000)

    async def last_uses(self, tokens: Sequence[str]) -> list[float | None]:
        """When each of these tokens was last used (UNIX seconds); None if that is too long ago to be remembered."""
        found = await self._store.run("read_api_token_uses", *tokens)
        return [None if at is None else int(at) / 1000 for at in found]
