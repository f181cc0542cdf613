"""The ids of events of all kinds: `evt_` and 32 characters of base32."""

from __future__ import annotations

import base64

PREFIX = "evt_"
BYTES = 20


def event_id_of(digest: bytes) -> str:
    """The id that the first 20 bytes of a digest make, or 20 random bytes."""
    return PREFIX + base64.b32encode(digest[:BYTES]).decode().lower()
