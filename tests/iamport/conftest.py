"""A stub of i'mport on a real socket, and the client over the transport of production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from iamport.access_tokens import Credentials
from iamport.client import Client
from iamport.transport import production_transport
from tests.support.iamport_stub import Stub
from tests.support.memory_tokens import MemoryTokens

MakeClient = Callable[..., Client]


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The transport of production."""
    transport = production_transport()
    yield transport
    await transport.aclose()


@pytest.fixture
def store() -> MemoryTokens:
    """What stands for Redis."""
    return MemoryTokens()


@pytest.fixture
def make_client(stub: Stub, transport: httpx.AsyncBaseTransport, store: MemoryTokens) -> MakeClient:
    """Makes a client of the stub; clients made by one test share a store, as processes do."""

    def make(
        *,
        key: str = "key",
        secret: str = "very-secret",
        include_sandbox: bool = False,
        timeout: float = 5.0,
        tier: str | None = None,
    ) -> Client:
        credentials = Credentials(key, secret)
        return Client(
            transport, stub.url, credentials, store, tier=tier, include_sandbox=include_sandbox, timeout=timeout
        )

    return make


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """A client of the stub."""
    return make_client()
