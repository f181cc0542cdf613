"""The merchants as the ledger last told them.

A list may be old, so it refuses nobody. While the ledger cannot be asked it tells webhooks of known merchants from
those that have to share a budget (see `budget.py`), and at all times under which name to count."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT = "default"
OTHERS = "-"
"""Under this name refusals are counted that belong to no known merchant, so made-up names take no memory."""


class KnownMerchants:
    """A merchant's name and the SHA-256 of its webhook token. None are known until the ledger has answered once."""

    def __init__(self) -> None:
        self._token_hashes: Mapping[str, str | None] | None = None

    def learn(self, token_hashes: Mapping[str, str | None]) -> bool:
        """Take over what the ledger says now; whether that is news."""
        news = token_hashes != self._token_hashes
        self._token_hashes = dict(token_hashes)
        return news

    def knows(self, merchant: str, token_hash: str | None) -> bool:
        """Whether, by this list, the merchant is there and this is its token (None: it has none). Before the ledger
        has answered that is `default` without a token: the ledger takes it, unless it was given one."""
        known = {DEFAULT: None} if self._token_hashes is None else self._token_hashes
        return merchant in known and known[merchant] == token_hash

    def label(self, merchant: str) -> str:
        """The name under which to count something about a merchant."""
        return merchant if self._token_hashes and merchant in self._token_hashes else OTHERS
