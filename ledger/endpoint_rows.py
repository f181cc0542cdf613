"""How an endpoint is stored: its row in JSON, and beside it the fields that scripts read or change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, replace

import orjson

from schemas.endpoints.endpoint import Endpoint, SealedSecret, filters_of
from schemas.endpoints.health import EndpointHealth
from schemas.endpoints.places import Places
from schemas.reasons import stored

_BESIDE = ("state", "disabled_reason", "created_at")


def dump(endpoint: Endpoint) -> bytes:
    """The row of an endpoint, without the values that have fields of their own in the hash."""
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


def dump_limits(endpoint: Endpoint) -> tuple[int, float | str]:
    """The limits that a claim applies to an endpoint: its `max_in_flight`, and its `rate_limit` or ""."""
    return endpoint.max_in_flight, "" if endpoint.rate_limit is None else endpoint.rate_limit


def subscription(endpoint: Endpoint) -> str:
    """An endpoint's subscription as a commit reads it: ordered (1 or 0) and the filters, separated by spaces."""
    return " ".join(("1" if endpoint.ordered else "0", *endpoint.types))


def filters(event_type: str) -> str:
    """The filters that cover a type of event, separated by spaces."""
    return " ".join(filters_of(event_type))


def load_health(text: bytes | None) -> EndpointHealth:
    """An endpoint's health, as `dump_health` wrote it."""
    return EndpointHealth(**orjson.loads(text)) if text else EndpointHealth()


def dump_health(health: EndpointHealth) -> bytes:
    """An endpoint's health in JSON; empty if it is healthy."""
    return orjson.dumps(asdict(health)) if health != EndpointHealth() else b""


def load_places(text: bytes) -> Places:
    """An endpoint's places, as `dump_places` wrote them; empty if the endpoint has not answered yet."""
    return Places(*orjson.loads(text)) if text else Places()


def dump_places(places: Places) -> bytes:
    """An endpoint's places in JSON: a list that begins with their count, which scripts read."""
    return orjson.dumps([round(value, 3) for value in astuple(places)])
