"""Events about endpoints: their ids, and what they say."""

from __future__ import annotations

import orjson

from schemas.endpoints.endpoint import Endpoint, SealedSecret
from schemas.endpoints.events import endpoint_event, failing_because
from schemas.endpoints.health import DISABLED, FAILING, EndpointHealth
from tests.support.reasons import because, said

ABOUT = Endpoint(
    "ep_1", "default", "https://shop.example/hook?token=hidden", headers="sealed", secrets=(SealedSecret("sealed"),)
)
BAD = EndpointHealth(failures=7, failing_since=1_800_000_000.5, open_until=1_800_000_100.0, opens=2, stage=FAILING)


def test_an_event_says_what_happened() -> None:
    """The body has a callback's shape, and nothing that may be secret."""
    event = endpoint_event(
        ABOUT, "endpoint.failing", EndpointHealth(), BAD, because("the last attempt answered 500"), 1_800_003_600.9
    )
    assert orjson.loads(event.body) == {
        "id": event.id,
        "type": "endpoint.failing",
        "timestamp": "2027-01-15T09:00:00Z",
        "data": {
            "merchant": "default",
            "endpoint": "ep_1",
            "url": "https://shop.example/hook",
            "description": "",
            "state": "enabled",
            "reason": "the last attempt answered 500",
            "failures": 7,
            "failing_since": "2027-01-15T08:00:00.500Z",
        },
    }


def test_ids_belong_to_the_trouble() -> None:
    """The same change in the same period of failing has one id, whenever it is announced; any other has its own."""

    def identity(kind: str, before: EndpointHealth, after: EndpointHealth, now: float = 1.0) -> str:
        return endpoint_event(ABOUT, kind, before, after, because(""), now).id

    failing = identity("endpoint.failing", EndpointHealth(), BAD)
    assert failing == identity("endpoint.failing", EndpointHealth(), BAD, now=2.0)
    disabled = identity(
        "endpoint.disabled", BAD, EndpointHealth(failures=20, failing_since=BAD.failing_since, stage=DISABLED)
    )
    recovered = identity("endpoint.recovered", BAD, EndpointHealth())
    later = identity(
        "endpoint.failing", EndpointHealth(), EndpointHealth(failures=5, failing_since=1_800_009_000.0, stage=FAILING)
    )
    assert len({failing, disabled, recovered, later}) == 4


def test_recovered_after_an_operator_enabled_it() -> None:
    """An endpoint that starts afresh has no trouble to name; each recovery is an event of its own all the same."""
    first, second = (
        endpoint_event(ABOUT, "endpoint.recovered", EndpointHealth(stage=FAILING), EndpointHealth(), because(""), now)
        for now in (1.0, 2.0)
    )
    assert first.id != second.id
    assert orjson.loads(first.body)["data"]["failing_since"] is None


def test_the_reason_counts() -> None:
    """Why it is disabled: how many failures, since when, and what the last one was."""
    assert said(failing_because(BAD, because("the last attempt answered 500"))) == (
        "7 failures in a row since 2027-01-15T08:00:00.500Z; the last attempt answered 500"
    )
