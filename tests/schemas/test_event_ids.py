"""Events' ids never change: subscribers and every rebuilt ledger know them."""

from __future__ import annotations

from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import endpoint_event
from schemas.endpoints.health import EndpointHealth
from schemas.event_ids import event_id_of
from schemas.payments.events import event_id
from schemas.reasons import Reason


def test_ids_are_what_they_were() -> None:
    """Of bytes, of a payment's fact, and of a change of an endpoint's health."""
    assert event_id_of(bytes(20)) == "evt_" + "a" * 32
    assert event_id_of(bytes(32)) == event_id_of(bytes(20))
    assert event_id("default", "imp_1", "paid") == "evt_fzpchxcaqsq77dmenui52onvm7nzfc6e"
    health = EndpointHealth()
    event = endpoint_event(
        Endpoint("ep_1", "default", "https://shop"), "endpoint.failing", health, health, Reason.of("no_worker"), 1.5
    )
    assert event.id == "evt_f4ln7rphvokq5ucfwerqyi5b2qa63gct"
