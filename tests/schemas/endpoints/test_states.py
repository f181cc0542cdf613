"""The states that operators see, and why a delivery is not sent."""

from __future__ import annotations

import pytest

from schemas.endpoints.states import DeliveryState, EndpointState, shown_state, withheld_because
from schemas.reasons import Reason

WHY = Reason.of("disabled_by_operator")


@pytest.mark.parametrize(
    ("endpoint", "shown", "reason"),
    [
        ("enabled", "pending", None),
        ("disabled", "held", Reason.of("endpoint_disabled", WHY)),
        ("deleted", "discarded", Reason.of("endpoint_deleted")),
    ],
)
def test_a_pending_delivery_follows_its_endpoint(
    endpoint: EndpointState, shown: DeliveryState, reason: Reason | None
) -> None:
    """It is held or discarded without being changed, and the reason says so."""
    assert shown_state("pending", endpoint) == shown
    assert withheld_because(shown, was_pending=True, disabled_reason=WHY) == reason


@pytest.mark.parametrize("endpoint", ["enabled", "disabled", "deleted"])
@pytest.mark.parametrize("settled", ["delivered", "dead", "discarded"])
def test_a_settled_delivery_stays_as_it_is(settled: DeliveryState, endpoint: EndpointState) -> None:
    """What becomes of its endpoint changes neither its state nor its reason."""
    assert shown_state(settled, endpoint) == settled
    assert withheld_because(settled, was_pending=False, disabled_reason=WHY) is None
