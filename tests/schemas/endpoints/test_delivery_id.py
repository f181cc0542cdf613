"""Deliveries' ids: put together and taken apart."""

from __future__ import annotations

import pytest

from schemas.endpoints.delivery_id import delivery_id_of, event_and_endpoint


def test_an_id_names_event_and_endpoint() -> None:
    """Taken apart, it is what it was made of."""
    assert delivery_id_of("evt_1", "ep_2") == "evt_1.ep_2"
    assert event_and_endpoint("evt_1.ep_2") == ("evt_1", "ep_2")


@pytest.mark.parametrize(("text", "parts"), [("evt_1", ("evt_1", "")), ("", ("", "")), ("a.b.c", ("a", "b.c"))])
def test_any_text_can_be_taken_apart(text: str, parts: tuple[str, str]) -> None:
    """Operators type ids, so a wrong one is just not found."""
    assert event_and_endpoint(text) == parts
