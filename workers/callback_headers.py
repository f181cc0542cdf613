"""The headers of one attempt: the operator's own, ours, and the signature."""

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

# A compressed answer would cost time to read and could be a bomb.
_OURS = {
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": f"iamport-relay/{relay_version()}",
    "content-type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What an endpoint keeps sealed, readable. Made once for all that a lane sends in one turn, as unsealing costs
    more than signing; never stored, logged or shown."""

    secrets: tuple[tuple[str, float | None], ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


def opened(endpoint: Endpoint, sealer: Sealer, now: float) -> Opened:
    """Unseal an endpoint's extra headers and those of its secrets that are valid at `now` (UNIX seconds).

    Raises `Unreadable`: then its deliveries are held.
    """
    headers: dict[str, str] = {}
    if endpoint.headers:
        try:
            headers = orjson.loads(sealer.open(endpoint.headers))
        except orjson.JSONDecodeError:
            raise Unreadable(Reason.of("headers_damaged", endpoint=endpoint.id)) from None
    valid = [secret for secret in endpoint.secrets if secret.expires_at is None or now < secret.expires_at]
    return Opened(tuple((sealer.open(secret.sealed), secret.expires_at) for secret in valid), headers)


def prepare(endpoint: Opened, event_id: str, body: bytes, now: float) -> dict[str, str]:
    """All headers of an attempt made at `now` (UNIX seconds), signed with each secret that is valid then.

    An operator's header may replace `user-agent` or `accept`, never what signs or frames the message. Raises
    `ValueError` when no secret is valid any more.
    """
    secrets = [secret for secret, expires_at in endpoint.secrets if expires_at is None or now < expires_at]
    return {**_OURS, **endpoint.headers, **signed_headers(event_id, body, secrets, int(now))}
