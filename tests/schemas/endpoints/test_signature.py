"""Signatures verify with the reference library and with svix's."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as StandardWebhook

from schemas.endpoints.endpoint import new_secret
from schemas.endpoints.signature import signed_headers


@given(st.text(), st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3))
def test_each_secret_verifies(text: str, entropies: list[bytes]) -> None:
    """Whatever the body, each of the secrets that signed it verifies it."""
    from svix.webhooks import Webhook as SvixWebhook  # half a second, which no other file's process has to spend

    body = text.encode(errors="replace")
    secrets = [new_secret(entropy) for entropy in entropies]
    headers = signed_headers("evt_1", body, secrets, int(time.time()))
    assert len(headers["webhook-signature"].split(" ")) == len(secrets)
    for secret in secrets:
        StandardWebhook(secret).verify(body, headers, json_parse=False)
        SvixWebhook(secret).verify(body, headers)


def test_known_signature() -> None:
    """The signature is the one of the specification: HMAC-SHA256 of `id.timestamp.body` in base64."""
    headers = signed_headers("msg_1", b'{"a":1}', ["whsec_" + "A" * 32], 1_700_000_000)
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1,HA9nSvEEuynF+mEPWgOAUWbrVA21G6kMzfOt+yEvB3I=",
    }


def test_no_secret() -> None:
    """Nothing is ever sent unsigned."""
    with pytest.raises(ValueError, match="secret"):
        signed_headers("evt_1", b"{}", [], 1)
