"""The id of a delivery: the ids of its event and its endpoint, `{event id}.{endpoint id}`."""

from __future__ import annotations


def delivery_id_of(event: str, endpoint: str) -> str:
    """The id of the delivery of an event to an endpoint."""
    return f"{event}.{endpoint}"


def event_and_endpoint(identity: str) -> tuple[str, str]:
    """The ids of a delivery's event and endpoint; "" for what is missing in a text that is no delivery's id."""
    event, _, endpoint = identity.partition(".")
    return event, endpoint
