"""Signatures as Standard Webhooks describes them, made with its reference library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook


def signed_headers(event_id: str, body: bytes, secrets: Sequence[str], now: int) -> dict[str, str]:
    """The three headers that sign `body` (JSON in UTF-8) for an attempt made at `now` (UNIX seconds).

    `secrets` are all that are valid now, as `whsec_…`, newest first. Each makes one signature, so that a subscriber who
    knows any of them can verify. Raises `ValueError` when there are none.
    """
    if not secrets:
        raise ValueError("an event cannot be signed without a secret")
    timestamp = datetime.fromtimestamp(now, UTC)
    text = body.decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, timestamp, text) for secret in secrets),
    }
