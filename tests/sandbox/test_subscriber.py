"""The demo subscriber believes signatures only, and fails once where it is asked to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from sandbox.subscriber import SandboxSubscriber, secrets_of
from schemas import wire
from schemas.errors import BadSetting
from tests.sandbox.conftest import serving
from tests.support.clients import http_client

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = b'{"type":"payment.paid","data":{"imp_uid":"imp_1","sequence":2,"amount":10.10}}'


def signed(event_id: str, secret: str = SECRET, body: bytes = BODY) -> dict[str, str]:
    """A callback's headers."""
    now = datetime.now(tz=UTC)
    signature = Webhook(secret).sign(event_id, now, body.decode())
    return {"webhook-id": event_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


@pytest.fixture
async def subscriber() -> AsyncIterator[httpx.AsyncClient]:
    """The subscriber, with secrets for two paths."""
    app = SandboxSubscriber({"/": [SECRET], "/flaky": [SECRET]}).app()
    async with serving(app) as url, http_client(url) as client:
        yield client


async def callbacks(subscriber: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What it has received."""
    received = (await subscriber.get("/_subscriber/callbacks")).json()["callbacks"]
    assert isinstance(received, list)
    return received


async def test_a_signed_callback(subscriber: httpx.AsyncClient) -> None:
    """A valid signature is answered with 200, and the callback is listed."""
    answer = await subscriber.post("/", content=BODY, headers=signed("evt_1"))
    assert answer.status_code == 200
    (seen,) = await callbacks(subscriber)
    fields = ("path", "id", "type", "imp_uid", "sequence", "verified", "status_code")
    assert [seen[name] for name in fields] == ["/", "evt_1", "payment.paid", "imp_1", 2, True, 200]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("evt_1", OTHER),
        {**signed("evt_1"), "webhook-id": "evt_2"},
        {**signed("evt_1"), "webhook-timestamp": "1"},
        {**signed("evt_1"), "webhook-signature": "nonsense"},
        {**signed("evt_1"), "webhook-signature": "v1,*"},
    ],
)
async def test_anything_else_is_401(subscriber: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """A missing, foreign, old or garbled signature is turned away."""
    answer = await subscriber.post("/", content=BODY, headers=headers)
    assert (answer.status_code, (await callbacks(subscriber))[0]["verified"]) == (401, False)


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff", b'{"data": 7}'])
async def test_any_body_is_survived(subscriber: httpx.AsyncClient, body: bytes) -> None:
    """Bodies that are no event are 401 without a signature, never 500."""
    assert (await subscriber.post("/", content=body)).status_code == 401


async def test_flaky_fails_once_for_each_event(subscriber: httpx.AsyncClient) -> None:
    """At /flaky the first try of each event is 500, the next 200."""
    codes = [
        (await subscriber.post("/flaky", content=BODY, headers=signed(event_id))).status_code
        for event_id in ("evt_1", "evt_2", "evt_1", "evt_2")
    ]
    assert codes == [500, 500, 200, 200]


async def test_flaky_takes_a_test_event(subscriber: httpx.AsyncClient) -> None:
    """It is sent once only: an endpoint that turned it down would seem to be broken."""
    body = wire.dumps({"id": "evt_1", "type": "relay.test", "timestamp": "2026-11-23T01:02:03Z", "data": {}})
    assert (await subscriber.post("/flaky", content=body, headers=signed("evt_1", body=body))).status_code == 200


async def test_secrets_can_be_set(subscriber: httpx.AsyncClient) -> None:
    """Secrets come while it runs, several for one path during a rotation."""
    assert (await subscriber.put("/_subscriber/secrets", json={"/new": [OTHER, SECRET]})).status_code == 204
    assert (await subscriber.post("/new", content=BODY, headers=signed("evt_1"))).status_code == 200
    assert (await subscriber.put("/_subscriber/secrets", json={"/new": 7})).status_code == 422
    assert (await subscriber.put("/_subscriber/secrets", content=b"x")).status_code == 422


def test_secrets_of_the_environment() -> None:
    """Pairs of path and secret; anything else stops the process with one line that shows no secret."""
    assert secrets_of(f"/={SECRET}, /a={SECRET},/a={OTHER}") == {"/": [SECRET], "/a": [SECRET, OTHER]}
    assert secrets_of("") == {}
    for text in (SECRET, f"a={SECRET}", "/="):
        with pytest.raises(BadSetting) as raised:
            secrets_of(text)
        assert SECRET not in str(raised.value)
