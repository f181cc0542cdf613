"""What the sender's tests share: an authority, a certificate, a sender that may go anywhere."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from workers.callback_sender import CallbackSender
from workers.callback_transport import callback_transport


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all tests."""
    return Authority(Path(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> ssl.SSLContext:
    """A good certificate for this machine."""
    return authority.server()


@pytest.fixture
async def sender(authority: Authority) -> AsyncIterator[CallbackSender]:
    """A sender that may go anywhere and trusts the authority."""
    sender = CallbackSender(callback_transport(lambda _: None, tls=authority.client()), allow_private=True)
    yield sender
    await sender.close()
