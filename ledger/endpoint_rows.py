"""How an endpoint is stored: its row in JSON, and beside it what changes while it is at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import orjson

from schemas.endpoints.endpoint import Endpoint, SealedSecret
from schemas.endpoints.health import EndpointHealth
from schemas.reasons import stored

_BESIDE = ("state", "disabled_reason", "created_at")


def dump(endpoint: Endpoint) -> bytes:
    """The row of an endpoint, without what the hash holds in fields of its own."""
    return orjson.dumps({name: value for name, value in asdict(endpoint).items() if name not in _BESIDE})


def load(fields: Mapping[str, bytes]) -> Endpoint:
    """The endpoint of a hash `endpoint:ep`. A deleted one reads as disabled."""
    row = orjson.loads(fields["row"])
    row["types"] = tuple(row["types"])
    row["secrets"] = tuple(SealedSecret(**secret) for secret in row["secrets"])
    enabled = fields.get("state") == b"enabled"
    return replace(
        Endpoint(**row),
        state="enabled" if enabled else "disabled",
        disabled_reason=stored(fields.get("disabled_reason")),
        created_at=float(fields.get("created_at", b"0")) / 1000,
    )


def subscription(endpoint: Endpoint) -> str:
    """What a commit must know of an endpoint: whether it is ordered (1 or 0), and its types, between spaces."""
    return " ".join(("1" if endpoint.ordered else "0", *endpoint.types))


def load_health(text: bytes | None) -> EndpointHealth:
    """How an endpoint is doing, as `dump_health` wrote it."""
    return EndpointHealth(**orjson.loads(text)) if text else EndpointHealth()


def dump_health(health: EndpointHealth) -> bytes:
    """How an endpoint is doing in JSON; nothing where it is fine."""
    return orjson.dumps(asdict(health)) if health != EndpointHealth() else b""
