"""Changes of an endpoint's health as events like any other: failing, disabled, recovered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES, Endpoint
from schemas.endpoints.health import EndpointHealth
from schemas.event_ids import event_id_of
from schemas.reasons import Reason, english
from schemas.times import rfc3339

_FAILING, _DISABLED, _RECOVERED = ENDPOINT_TYPES


@dataclass(frozen=True, slots=True)
class EndpointEvent:
    """An event about an endpoint; ``body`` is the callback's exact bytes."""

    id: str
    type: str
    body: bytes


def endpoint_event(
    endpoint: Endpoint, kind: str, before: EndpointHealth, after: EndpointHealth, reason: Reason, now: float
) -> EndpointEvent:
    """The event of a change of health at ``now`` (UNIX seconds), with its ``reason`` in English.

    Its id is derived from the endpoint, the type and the time when the endpoint began to fail, so that one change never
    has two ids. The query of the endpoint's URL is left out: it may be a secret.
    """
    trouble = before if kind == _RECOVERED else after
    since = trouble.failing_since or now
    parts = (endpoint.merchant, endpoint.id, kind, str(round(since * 1000)))
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    identity = event_id_of(digest)
    data = {
        "merchant": endpoint.merchant,
        "endpoint": endpoint.id,
        "url": endpoint.url.partition("?")[0],
        "description": endpoint.description,
        "state": "disabled" if kind == _DISABLED else "enabled",
        "reason": english(reason),
        "failures": trouble.failures,
        "failing_since": rfc3339(trouble.failing_since) if trouble.failing_since else None,
    }
    body = wire.dumps({"id": identity, "type": kind, "timestamp": rfc3339(int(now)), "data": data})
    return EndpointEvent(identity, kind, body)


def failing_because(health: EndpointHealth, last: Reason) -> Reason:
    """Why an endpoint whose attempts failed in a row is failing or disabled; ``last`` is its last attempt's reason."""
    return Reason.of("failures_in_a_row", last, failures=health.failures, since=health.failing_since)
