"""The merchants as the ledger last listed them.

The list may be old, so no webhook is refused because of it. While the ledger cannot be asked, the list separates the
webhooks of known merchants from those that share a budget (see `spool_budget.py`). Metrics and logs take the names of
merchants from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.webhook_address import DEFAULT_MERCHANT

OTHERS = "-"
"""The name under which refusals of unknown merchants are counted, so that made-up names take no memory."""


class KnownMerchants:
    """A merchant's name and the SHA-256 of its webhook token. None are known until the ledger has answered once."""

    def __init__(self) -> None:
        self._token_hashes: Mapping[str, str | None] | None = None

    def learn(self, token_hashes: Mapping[str, str | None]) -> bool:
        """Replace the list by the ledger's; return whether it changed."""
        changed = token_hashes != self._token_hashes
        self._token_hashes = dict(token_hashes)
        return changed

    def knows(self, merchant: str, token_hash: str | None) -> bool:
        """Whether this list has the merchant with this token (None: it has none). Before the ledger has answered, the
        list is `default` without a token, which the ledger takes unless it was given one."""
        known = {DEFAULT_MERCHANT: None} if self._token_hashes is None else self._token_hashes
        return merchant in known and known[merchant] == token_hash

    def label(self, merchant: str) -> str:
        """The name of a merchant in metrics and logs."""
        return merchant if self._token_hashes and merchant in self._token_hashes else OTHERS
