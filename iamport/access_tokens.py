"""Access tokens: one for each pair of key and secret, shared by all processes and all merchants with these credentials.
Only one process at a time requests it. All sub-merchants of an agency share it.

i'mport's tokens live 30 minutes. A new request returns the same token; in the token's last minute it extends the token
by five minutes. So a token is renewed within that minute, not before.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from iamport.http_exchange import HttpResponse
from iamport.responses import has_status, unwrap
from schemas.errors import IamportFailing, IamportRefused, WrongCredentials
from schemas.reasons import Reason

_RENEW_BEFORE = 30.0
_LOCKED_FOR = 2.0
_POLL = 0.05
_LONGEST_LIFETIME = 86400
_LONGEST_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Credentials:
    """A merchant's REST API key and secret from i'mport's console."""

    imp_key: str = field(repr=False)
    imp_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token as i'mport issued it; ``lifetime`` in seconds from then."""

    text: str = field(repr=False)
    lifetime: float


class TokenStore(Protocol):
    """Where the processes share tokens. ``name`` is a digest of the credentials."""

    async def get_token(self, name: str) -> tuple[str, float] | None:
        """The token and the seconds it has left."""

    async def put_token(self, name: str, token: str, ttl: float) -> None:
        """Stores ``token`` for ``ttl`` seconds."""

    async def forget_token(self, name: str, token: str) -> None:
        """Removes the token, if it is still this one."""

    async def lock_token(self, name: str, ttl: float) -> bool:
        """Locks the token for ``ttl`` seconds. Returns whether the caller got the lock and may ask for a new token."""


class AccessTokens:
    """The current token of these credentials. ``ask`` gets one from i'mport."""

    def __init__(
        self,
        store: TokenStore,
        credentials: Credentials,
        ask: Callable[[], Awaitable[AccessToken]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Includes the secret, so that a token of a replaced secret is not found.
        self._name = _digest(credentials.imp_key + chr(0) + credentials.imp_secret)
        self._last = ""
        self._own_lock = ("", 0.0)
        self._store = store
        self._ask = ask
        self._clock = clock
        self._held: tuple[str, float] | None = None
        self._asking: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """A token that stays valid for `_RENEW_BEFORE` at least. Raises what ``ask`` and the store raise."""
        if self._held is not None and self._held[1] - self._clock() > _RENEW_BEFORE:
            return self._held[0]
        return await self._shared()

    async def renew(self, refused: str) -> str:
        """Another token after i'mport refused this one; the same one only if i'mport issues it again."""
        if self._held is not None and self._held[0] == refused:
            self._held = None
        self._last = refused
        await self._store.forget_token(self._name, refused)
        token = await self.get()
        # A task that was already asking may have read the refused token before it was removed.
        return await self.get() if token == refused else token

    async def _shared(self) -> str:
        """All callers that wait at the same time share one request and its result, also an error."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._obtain())
            self._asking.add_done_callback(self._clear_asking)
        return await asyncio.shield(self._asking)

    def _clear_asking(self, task: asyncio.Task[str]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # asyncio warns if no caller is left to see the exception

    async def _obtain(self) -> str:
        if (token := await self._stored()) is not None:
            return token
        if not await self._locked() and (token := await self._from_another()) is not None:
            return token
        # The lock only saves i'mport a call, so asking without it is harmless if its holder has died.
        asked_at = self._clock()
        given = await self._ask()
        self._held, self._last = (given.text, asked_at + given.lifetime), given.text
        await self._store.put_token(self._name, given.text, given.lifetime)
        return given.text

    async def _locked(self) -> bool:
        # One lock for each token to replace: a new token that fails at once need not wait for the lock of the last.
        lock, now = f"{self._name}:{_digest(self._last)}", self._clock()
        if self._own_lock[0] == lock and now < self._own_lock[1]:  # our last try failed: no other process is asking
            return True
        if not await self._store.lock_token(lock, _LOCKED_FOR):
            return False
        self._own_lock = (lock, now + _LOCKED_FOR)
        return True

    async def _from_another(self) -> str | None:
        until = self._clock() + _LOCKED_FOR
        while self._clock() < until:
            await asyncio.sleep(_POLL)
            if (token := await self._stored()) is not None:
                return token
        return None

    async def _stored(self) -> str | None:
        stored = await self._store.get_token(self._name)
        if stored is None:
            return None
        self._last = stored[0]
        if stored[1] <= _RENEW_BEFORE:
            return None
        self._held = (stored[0], self._clock() + stored[1])
        return stored[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def parse_token(answer: HttpResponse) -> AccessToken:
    """The token in an answer of ``POST /users/getToken``; its lifetime is ``expired_at - now``, both i'mport's.

    Raises `WrongCredentials` (401) and `IamportFailing`.
    """
    if has_status(answer, 401):
        raise WrongCredentials(Reason.of("iamport_credentials_refused"))
    try:
        response = unwrap(answer)
    except IamportRefused as error:
        raise IamportFailing(Reason.of("iamport_token_denied", error.reason, code=error.code)) from None
    if not isinstance(response, dict):
        raise IamportFailing(Reason.of("iamport_no_token"))
    text, now, expired_at = response.get("access_token"), response.get("now"), response.get("expired_at")
    # The text goes into a header, so nothing but visible ASCII may be in it.
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TOKEN or not all("!" <= char <= "~" for char in text):
        raise IamportFailing(Reason.of("iamport_bad_token"))
    if type(now) is not int or type(expired_at) is not int or expired_at <= now:
        raise IamportFailing(Reason.of("iamport_bad_lifetime"))
    return AccessToken(text, float(min(expired_at - now, _LONGEST_LIFETIME)))
