"""The merchants as the ledger last told them, for the time when it cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = "-"
"""Under this name refusals are counted that belong to no known merchant, so made-up names take no memory."""


class KnownMerchants:
    """A merchant's name and the SHA-256 of its webhook token. Empty until the ledger has answered once."""

    def __init__(self) -> None:
        self._token_hashes: Mapping[str, str | None] | None = None

    def learn(self, token_hashes: Mapping[str, str | None]) -> None:
        """Take over what the ledger says now."""
        self._token_hashes = dict(token_hashes)

    def refuses(self, merchant: str, token_hash: str | None) -> bool:
        """Whether it is certain that this merchant is unknown or wants another token (or, having none, any at all).
        Nothing is certain before the ledger has answered."""
        known = self._token_hashes
        return known is not None and (merchant not in known or known[merchant] != token_hash)

    def label(self, merchant: str) -> str:
        """The name under which to count something about a merchant."""
        return merchant if self._token_hashes and merchant in self._token_hashes else OTHERS
