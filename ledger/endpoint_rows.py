"""How an endpoint is stored: its row in JSON, and beside it the fields that scripts read or change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import orjson

from schemas.endpoints.endpoint import Endpoint, SealedSecret, filters_of
from schemas.endpoints.health import EndpointHealth

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
        disabled_reason=fields.get("disabled_reason", b"").decode() or None,
        created_at=float(fields.get("created_at", b"0")) / 1000,
    )


def dump_limits(endpoint: Endpoint) -> tuple[int, float | str]:
    """What a claim must know of an endpoint: its `max_in_flight`, and its `rate_limit` or ""."""
    return endpoint.max_in_flight, "" if endpoint.rate_limit is None else endpoint.rate_limit


def subscription(endpoint: Endpoint) -> str:
    """What a commit must know of an endpoint: whether it is ordered (1 or 0), and its filters, between spaces."""
    return " ".join(("1" if endpoint.ordered else "0", *endpoint.types))


def filters(event_type: str) -> str:
    """The filters that cover a type of event, between spaces."""
    return " ".join(filters_of(event_type))


def load_health(text: bytes | None) -> EndpointHealth:
    """An endpoint's health, as `dump_health` wrote it."""
    return EndpointHealth(**orjson.loads(text)) if text else EndpointHealth()


def dump_health(health: EndpointHealth) -> bytes:
    """An endpoint's health in JSON; empty for a fine one."""
    return orjson.dumps(asdict(health)) if health != EndpointHealth() else b""
