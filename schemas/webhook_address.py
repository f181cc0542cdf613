"""The address that a merchant's webhooks come to: `/webhooks/{merchant}`, or `/webhooks/{merchant}/{token}` if the
merchant has a webhook token. `/webhooks` is the merchant `default`."""

from __future__ import annotations

import hashlib

DEFAULT_MERCHANT = "default"
"""The merchant that takes webhooks before it is added, because its credentials may be in the environment only."""

MERCHANT_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""The pattern of a merchant's name."""

LONGEST_TOKEN = 128
"""The most characters of a webhook token that is set."""
LONGEST_TOKEN_IN_PATH = 4 * LONGEST_TOKEN
"""The most bytes of a token in a path. Tokens that are set today are ASCII, but one that a ledger has had for long may
have any characters, of up to four bytes in UTF-8."""


def token_hash(token: bytes) -> str:
    """The SHA-256 of a webhook token in hex: only this is stored."""
    return hashlib.sha256(token).hexdigest()
