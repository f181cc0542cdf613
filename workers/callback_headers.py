"""The headers of one attempt: the relay's, the operator's, and the signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from runtime.encryption import Sealer
from runtime.version import relay_version
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.signature import signed_headers
from schemas.errors import Unreadable
from schemas.reasons import Reason

# `identity`: a compressed answer would take time to read and could be a decompression bomb.
_RELAY_HEADERS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": f"iamport-relay/{relay_version()}",
    "content-type": "application/json",
}


@dataclass(frozen=True, slots=True)
class UnsealedEndpoint:
    """An endpoint's secrets, each with the UNIX time at which it expires, and its extra headers, in the clear.

    A lane unseals them once for a whole batch, because unsealing costs more than signing. They are never stored, logged
    or shown.
    """

    secrets: tuple[tuple[str, float | None], ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def unseal(endpoint: Endpoint, sealer: Sealer, now: float) -> UnsealedEndpoint:
    """Unseal an endpoint's extra headers and those of its secrets that are valid at `now` (UNIX seconds).

    Raises `Unreadable`.
    """
    headers: dict[str, str] = {}
    if endpoint.headers:
        try:
            headers = orjson.loads(sealer.open(endpoint.headers))
        except orjson.JSONDecodeError:
            raise Unreadable(Reason.of("headers_damaged", endpoint=endpoint.id)) from None
    valid = [secret for secret in endpoint.secrets if secret.expires_at is None or now < secret.expires_at]
    return UnsealedEndpoint(tuple((sealer.open(secret.sealed), secret.expires_at) for secret in valid), headers)


def attempt_headers(
    endpoint: UnsealedEndpoint, event_id: str, body: bytes, now: float, traceparent: str = ""
) -> dict[str, str]:
    """All headers of an attempt made at `now` (UNIX seconds), signed with each secret that is valid then. A traced
    attempt has a `traceparent`.

    An operator's header may replace `user-agent` or `accept`, never what signs or frames the message. Raises
    `ValueError` when no secret is valid any more.
    """
    secrets = [secret for secret, expires_at in endpoint.secrets if expires_at is None or now < expires_at]
    traced = {"traceparent": traceparent} if traceparent else {}
    return {**_RELAY_HEADERS, **traced, **endpoint.headers, **signed_headers(event_id, body, secrets, int(now))}
