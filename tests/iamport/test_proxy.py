"""i'mport's API through an HTTP proxy, and what is said where the proxy is the trouble."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from iamport.client import Client
from iamport.tokens import Credentials
from iamport.transport import iamport_transport
from runtime.settings import Settings
from schemas.errors import IamportUnreachable
from tests.support.certificates import Authority
from tests.support.iamport_stub import Stub, payment, well
from tests.support.memory_tokens import MemoryTokens
from tests.support.proxies import HttpProxy

# httpx-aiohttp's own way to hand over user and password.
pytestmark = pytest.mark.filterwarnings("ignore:.*(BasicAuth|proxy_auth).*deprecated:DeprecationWarning")

USER, PASSWORD = "relay", "p@ss:word/é"
WRITTEN = "relay:p%40ss:word%2F%C3%A9"


async def look(url: str, proxy: str | None, imp_uid: str = "a") -> None:
    """One look-up as a process would do it whose proxy is this one."""
    given = {} if proxy is None else {"RELAY_IAMPORT_PROXY": f"http://{proxy}"}
    transport = iamport_transport(Settings.load({"IMP_API_URL": url, **given}))
    try:
        client = Client(transport, url, Credentials("key", "secret"), MemoryTokens(), timeout=5.0)
        for _ in range(2):
            assert set((await client.payments([imp_uid])).found) == {imp_uid}
    finally:
        await transport.aclose()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process trusts."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cafile))
    return authority


@pytest.fixture
def known(stub: Stub) -> Stub:
    """An i'mport that knows payment ``a``."""
    stub.reply = lambda _asked: well([payment("a")])
    return stub


async def tls(stub: Stub, context: ssl.SSLContext) -> str:
    """Has the stub listen with TLS; its address."""
    await stub.stop()
    stub.tls = context
    await stub.start()
    return stub.url


async def test_https_is_tunnelled(known: Stub, authority: Authority) -> None:
    """By CONNECT, with user and password, which i'mport never sees, nor the proxy anything of what is said."""
    url = await tls(known, authority.server())
    async with HttpProxy(f"{USER}:{PASSWORD}") as proxy:
        await look(url, f"{WRITTEN}@{proxy.address}")
    assert set(proxy.seen) == {f"CONNECT 127.0.0.1:{known.port} HTTP/1.1"}
    assert len(known.calls) == 2
    assert all("proxy-authorization" not in asked.headers for asked in known.asked)


async def test_plain_http_is_passed_on(known: Stub) -> None:
    """A proxy in front of an i'mport without TLS gets whole addresses."""
    async with HttpProxy(f"{USER}:{PASSWORD}") as proxy:
        await look(known.url, f"{WRITTEN}@{proxy.address}")
    assert proxy.seen[0] == f"POST {known.url}/users/getToken HTTP/1.1"
    assert len(proxy.seen) == len(known.asked) == 3


async def test_a_proxy_without_a_password(known: Stub) -> None:
    """User and password can be left out."""
    async with HttpProxy() as proxy:
        await look(known.url, proxy.address)
    assert len(proxy.seen) == 3


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("given", ["", "relay:wr0ng@", "relay@"])
async def test_wrong_credentials_are_named(known: Stub, authority: Authority, secure: bool, given: str) -> None:
    """One line that says which setting it is, without what stands in it; nothing has reached i'mport."""
    url = await tls(known, authority.server()) if secure else known.url
    async with HttpProxy(f"{USER}:{PASSWORD}") as proxy:
        with pytest.raises(IamportUnreachable, match=r"\(407\): see RELAY_IAMPORT_PROXY$") as raised:
            await look(url, f"{given}{proxy.address}")
    assert "wr0ng" not in str(raised.value)
    assert (known.asked, proxy.turned_away) == ([], 1)


@pytest.mark.parametrize("secure", [False, True])
async def test_a_proxy_that_is_away_is_named(
    known: Stub, authority: Authority, free_port: Callable[[], int], secure: bool
) -> None:
    """It is not i'mport that cannot be reached."""
    url = await tls(known, authority.server()) if secure else known.url
    line = r"^the proxy of RELAY_IAMPORT_PROXY cannot be reached \(connection refused\)$"
    with pytest.raises(IamportUnreachable, match=line):
        await look(url, f"{WRITTEN}@127.0.0.1:{free_port()}")


async def test_a_proxy_that_refuses_is_named(known: Stub, authority: Authority) -> None:
    """Its answer to CONNECT is not i'mport's."""
    url = await tls(known, authority.server())
    async with HttpProxy(refuses=b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n") as proxy:
        with pytest.raises(IamportUnreachable, match=r"^the proxy of RELAY_IAMPORT_PROXY answered 403$"):
            await look(url, proxy.address)
    assert known.asked == []


async def test_certificates_are_checked_behind_a_proxy(known: Stub, authority: Authority) -> None:
    """Whoever answers at the end of the tunnel has to show i'mport's, and what is wrong with it is said in words."""
    url = await tls(known, authority.server(expired=True))
    async with HttpProxy() as proxy:
        with pytest.raises(IamportUnreachable, match=r"\(TLS: certificate has expired\)$"):
            await look(url, proxy.address)
    assert known.asked == []


@pytest.mark.parametrize("secure", [False, True])
async def test_the_environments_proxies_are_not_used(
    known: Stub, authority: Authority, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    """`HTTP_PROXY` and the like are for other programs: what the relay uses is its own setting."""
    url = await tls(known, authority.server()) if secure else known.url
    async with HttpProxy() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.address}")
        await look(url, None)
    assert (proxy.seen, len(known.calls)) == ([], 2)
