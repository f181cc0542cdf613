"""Secrets at rest: the ledger stores them sealed with RELAY_ENCRYPTION_KEY.

Fernet takes nonce and time from the system; only the sealed text depends on these.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schemas.errors import BadSetting, Unreadable
from schemas.reasons import Reason


class Sealer:
    """Seals with the first key and opens with any. To change the key, put a new one in front. `repr` shows no key."""

    __slots__ = ("_fernet", "_first")

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises `BadSetting` when there is no key or one is not a Fernet key; the text never repeats a key."""
        if not keys:
            raise BadSetting("RELAY_ENCRYPTION_KEY: is missing; it takes Fernet keys, separated by commas")
        try:
            fernets = [Fernet(key) for key in keys]
        except (ValueError, TypeError):
            raise BadSetting(
                "RELAY_ENCRYPTION_KEY: ***: it takes Fernet keys (32 bytes in URL-safe base64), separated by commas"
            ) from None
        self._first, self._fernet = fernets[0], MultiFernet(fernets)

    def seal(self, text: str) -> str:
        """The sealed form of `text`: ASCII, different each time."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises `Unreadable` when no key opens it or it was damaged."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            raise Unreadable(Reason.of("value_unreadable")) from None

    def reseal(self, sealed: str) -> str:
        """`sealed` unchanged if it is empty or the first key opens it; else its text, sealed with the first key.

        Raises `Unreadable`.
        """
        try:
            self._first.decrypt(sealed.encode())
        except (InvalidToken, ValueError):
            return self.seal(self.open(sealed)) if sealed else ""
        return sealed
