"""The headers of an attempt: signed for every secret that is valid, the operator's own in between."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from runtime.encryption import Sealer
from schemas.endpoints.endpoint import Endpoint, SealedSecret, new_secret
from schemas.errors import Unreadable
from tests.support.subscribers import Subscriber
from tests.workers.catalogue import CATALOGUE
from workers.callback_headers import UnsealedEndpoint, attempt_headers, unseal
from workers.callback_sender import CallbackSender

BODY = '{"id":"evt_1","type":"payment.paid","data":{"reason":"환불"}}'.encode()
OLD, NEW = new_secret(b"o" * 24), new_secret(b"n" * 32)


def verified(body: bytes, headers: dict[str, str], secret: str) -> Any:
    """The event, if both libraries that subscribers use take the signature."""
    from svix.webhooks import Webhook as SvixWebhook  # half a second, which no other file's process has to spend

    SvixWebhook(secret).verify(body, headers)
    return StandardWebhook(secret).verify(body, headers)


def test_both_secrets_sign_while_they_overlap() -> None:
    """During a rotation a subscriber that knows either secret can verify; later only the new one is left."""
    now = time.time()
    endpoint = UnsealedEndpoint(((NEW, None), (OLD, now + 60)), {})
    during = attempt_headers(endpoint, "evt_1", BODY, now)
    assert verified(BODY, during, OLD) == verified(BODY, during, NEW) == orjson.loads(BODY)

    after = attempt_headers(UnsealedEndpoint(((NEW, None), (OLD, now - 60)), {}), "evt_1", BODY, now)
    verified(BODY, after, NEW)
    with pytest.raises(WebhookVerificationError):
        verified(BODY, after, OLD)


async def test_signature_survives_the_way(sender: CallbackSender) -> None:
    """What arrives at a real socket verifies with both libraries, and with nothing changed on the way."""
    async with Subscriber(CATALOGUE["ok"]) as subscriber:
        headers = attempt_headers(UnsealedEndpoint(((NEW, None),), {"x-shop": "1"}), "evt_1", BODY, time.time())
        assert (await sender.send(subscriber.url, headers, BODY, 10)).ok
    request = subscriber.requests[0]
    assert verified(request.body, request.headers, NEW)["id"] == "evt_1"
    assert request.headers["x-shop"] == "1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("iamport-relay")


def test_operators_headers_never_replace_what_signs() -> None:
    """Even headers that slipped past validation do not replace the signature's."""
    headers = attempt_headers(
        UnsealedEndpoint(((NEW, None),), {"webhook-id": "forged", "user-agent": "shop"}), "evt_1", BODY, 1
    )
    assert headers["webhook-id"] == "evt_1"
    assert headers["user-agent"] == "shop"


def test_opened() -> None:
    """An endpoint's sealed parts come out as they went in, and a repr shows none of them."""
    sealer = Sealer([Fernet.generate_key().decode()])
    endpoint = Endpoint(
        id="ep_1",
        merchant="default",
        url="https://shop.example/",
        headers=sealer.seal('{"authorization":"Bearer planted"}'),
        secrets=(SealedSecret(sealer.seal(NEW)), SealedSecret(sealer.seal(OLD), 5.0)),
    )
    clear = unseal(endpoint, sealer, 4.0)
    assert clear == UnsealedEndpoint(((NEW, None), (OLD, 5.0)), {"authorization": "Bearer planted"})
    assert "planted" not in repr(clear)
    assert "whsec_" not in repr(clear)


def test_no_key_opens_it() -> None:
    """Secrets that no key opens, or that are damaged, say so: their deliveries are held."""
    sealer, other = (Sealer([Fernet.generate_key().decode()]) for _ in range(2))
    endpoint = Endpoint(id="ep_1", merchant="m", url="", secrets=(SealedSecret(other.seal(NEW)),))
    with pytest.raises(Unreadable):
        unseal(endpoint, sealer, 4.0)
    damaged = Endpoint(id="ep_1", merchant="m", url="", headers=sealer.seal("{"))
    with pytest.raises(Unreadable):
        unseal(damaged, sealer, 4.0)


def test_what_has_expired_need_not_be_opened() -> None:
    """A rotated secret that has expired may be sealed with a key that is gone: nothing is held for its sake."""
    sealer, gone = (Sealer([Fernet.generate_key().decode()]) for _ in range(2))
    secrets = (SealedSecret(sealer.seal(NEW)), SealedSecret(gone.seal(OLD), 5.0))
    assert unseal(Endpoint(id="ep_1", merchant="m", url="", secrets=secrets), sealer, 5.0).secrets == ((NEW, None),)
