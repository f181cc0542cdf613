"""Certificates: which are accepted, and with which reason the others are refused."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from runtime.authorities import trusted_and_system_authorities
from tests.support.certificates import Authority
from tests.support.reasons import said
from tests.support.subscribers import Subscriber
from tests.workers.catalogue import CATALOGUE
from workers.callback_sender import CallbackSender
from workers.callback_transport import callback_transport

HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'
OK = CATALOGUE["ok"]


async def test_expired_certificate(sender: CallbackSender, authority: Authority) -> None:
    """A certificate that has expired is not accepted, and said to be so."""
    async with Subscriber(OK, tls=authority.server(expired=True)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
        assert (said(answer.error), subscriber.requests) == ("TLS: certificate has expired", [])


async def test_wrong_host(sender: CallbackSender, authority: Authority) -> None:
    """A certificate for another host is not accepted."""
    async with Subscriber(OK, tls=authority.server(("shop.example",))) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert answer.error is not None
    assert said(answer.error).startswith("TLS: ")
    assert "127.0.0.1" in said(answer.error)


async def test_self_signed(sender: CallbackSender, authority: Authority) -> None:
    """A certificate that signed itself is not accepted."""
    async with Subscriber(OK, tls=authority.server(self_signed=True)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert said(answer.error) == "TLS: self-signed certificate"


async def test_unknown_authority(certificate: ssl.SSLContext) -> None:
    """An unknown certificate authority is not accepted."""
    sender = CallbackSender(callback_transport(lambda _: None), allow_private=True)
    async with Subscriber(OK, tls=certificate) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    await sender.close()
    assert said(answer.error) == "TLS: unable to get local issuer certificate"


async def test_added_authority(
    authority: Authority, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE adds an authority to certifi's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cafile))
    context = trusted_and_system_authorities()
    sender = CallbackSender(callback_transport(lambda _: None, tls=context), allow_private=True)
    async with Subscriber(OK, tls=certificate) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    await sender.close()
    assert answer.ok, answer
    assert len(context.get_ca_certs()) > 50


async def test_wrong_protocols(sender: CallbackSender, certificate: ssl.SSLContext) -> None:
    """TLS to a plain port and plain to a TLS port both fail in words."""
    async with Subscriber(OK) as plain, Subscriber(OK, tls=certificate) as secure:
        to_plain = await sender.send(plain.url.replace("http:", "https:"), HEADERS, BODY, 0.7)
        to_secure = await sender.send(secure.url.replace("https:", "http:"), HEADERS, BODY, 10)
    assert said(to_plain.error) == "timed out after 700ms"
    assert said(to_secure.error) in {"connection closed without an answer", "connection reset", "invalid HTTP answer"}


async def test_tls_handshake_hangs(sender: CallbackSender) -> None:
    """A server that accepts and never shakes hands costs the timeout and leaves no connection behind."""
    async with Subscriber(CATALOGUE["silent"]) as subscriber:
        answer = await sender.send(subscriber.url.replace("http:", "https:"), HEADERS, BODY, 0.5)
        assert said(answer.error) == "timed out after 500ms"
        await asyncio.wait_for(subscriber.left(), 10)


def test_certifi_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without authorities of its own, certifi's remain."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = trusted_and_system_authorities()
    assert len(context.get_ca_certs()) > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
