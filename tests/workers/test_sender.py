"""What the sender does around the answer: connections, names, certificates, time, and what it lets out."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from schemas.targets import forbidden
from tests.workers.authority import Authority
from tests.workers.subscribers import CATALOGUE, Behaviour, Connection, Subscriber, status
from workers.outbound import callback_transport, tls_context
from workers.sender import Sender

HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'
OK = CATALOGUE["ok"]


class Names(AbstractResolver):
    """A name server of the tests' own: answers each look-up with the next list of addresses, the last for good."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


def vet(address: str) -> str | None:
    """Forbid what a deployment with no settings of its own forbids."""
    return forbidden(address)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_refused(sender: Sender) -> None:
    """A port that nothing listens on is said to refuse."""
    answer = await sender.send(f"http://127.0.0.1:{free_port()}/", HEADERS, BODY, 10)
    assert (answer.status_code, answer.error, answer.response) == (None, "connection refused", "")


async def test_no_such_host(authority: Authority) -> None:
    """A name without addresses is a failed attempt, in words."""
    sender = Sender(callback_transport(lambda _: None, tls=authority.client(), resolver=Names([])), allow_private=True)
    answer = await sender.send("https://shop.example/", HEADERS, BODY, 10)
    await sender.aclose()
    assert answer.error == "DNS: no such host"


async def test_system_names(sender: Sender) -> None:
    """The system's own resolver finds this machine and says when it knows no such host."""
    async with Subscriber(OK) as subscriber:
        found = await sender.send(f"http://localhost:{subscriber.port}/", HEADERS, BODY, 10)
    missing = await sender.send("http://no-such-host.invalid/", HEADERS, BODY, 30)
    assert found.ok
    assert missing.error is not None
    assert missing.error.startswith("DNS: ")


async def test_ipv6(sender: Sender, certificate: ssl.SSLContext) -> None:
    """An endpoint at an IPv6 address is reached, over TLS too."""
    for tls in (None, certificate):
        async with Subscriber(OK, host="::1", tls=tls) as subscriber:
            answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
            assert answer.ok, answer
            assert subscriber.requests[0].headers["host"] == f"[::1]:{subscriber.port}"


async def test_second_address(authority: Authority) -> None:
    """A name with a dead address and a live one is reached at the live one."""
    names = Names(["::1", "127.0.0.1"])
    sender = Sender(callback_transport(lambda _: None, tls=authority.client(), resolver=names), allow_private=True)
    async with Subscriber(OK) as subscriber:
        answer = await sender.send(f"http://shop.example:{subscriber.port}/", HEADERS, BODY, 10)
    await sender.aclose()
    assert answer.ok, answer


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["127.0.0.1"], "forbidden address 127.0.0.1 (loopback)"),
        (["10.1.2.3", "fd00:ec2::254"], "forbidden address 10.1.2.3 (private)"),
        (["::ffff:127.0.0.1"], "forbidden address 127.0.0.1 (loopback)"),
        (["64:ff9b::7f00:1"], "forbidden address 127.0.0.1 (loopback)"),
        (["169.254.169.254"], "forbidden address 169.254.169.254 (link-local)"),
    ],
)
async def test_forbidden_names(addresses: list[str], words: str, certificate: ssl.SSLContext) -> None:
    """A name that leads inside is never connected to."""
    sender = Sender(callback_transport(vet, resolver=Names(addresses)))
    async with Subscriber(OK, tls=certificate) as subscriber:
        answer = await sender.send(f"https://shop.example:{subscriber.port}/", HEADERS, BODY, 10)
        assert (answer.error, subscriber.connections) == (words, 0)
    await sender.aclose()


async def test_rebinding(authority: Authority) -> None:
    """A name that passed once and leads inside the next time is refused then: each look-up is vetted."""
    names = Names(["::1"], ["127.0.0.1"])
    transport = callback_transport(
        lambda address: None if address == "::1" else forbidden(address), tls=authority.client(), resolver=names
    )
    sender = Sender(transport, allow_private=True)
    async with Subscriber(CATALOGUE["connection_close"], host="::1") as outside:
        port = outside.port
        first = await sender.send(f"http://shop.example:{port}/", HEADERS, BODY, 10)
        async with Subscriber(OK, port=port) as inside:
            # Another port asks the resolver anew; within its few seconds the cache gives the vetted address again.
            cached = await sender.send(f"http://shop.example:{port}/", HEADERS, BODY, 10)
            other = await sender.send(f"http://shop.example:{free_port()}/", HEADERS, BODY, 10)
            assert inside.connections == 0
    await sender.aclose()
    assert first.ok
    assert cached.ok
    assert other.error == "forbidden address 127.0.0.1 (loopback)"


async def test_forbidden_ones_are_left_out(authority: Authority) -> None:
    """Of a name's addresses only the permitted ones are tried."""
    names = Names(["127.0.0.1", "::1"])
    transport = callback_transport(
        lambda address: None if address == "::1" else forbidden(address), tls=authority.client(), resolver=names
    )
    sender = Sender(transport, allow_private=True)
    async with Subscriber(OK) as inside, Subscriber(OK, host="::1", port=inside.port) as outside:
        answer = await sender.send(f"http://shop.example:{inside.port}/", HEADERS, BODY, 10)
        assert (answer.ok, inside.connections, outside.connections) == (True, 0, 1)
    await sender.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost"])
async def test_forbidden_addresses_in_urls(host: str, certificate: ssl.SSLContext) -> None:
    """An address in the URL bypasses resolvers, so it is refused by the URL's check and again at the socket."""
    strict = Sender(callback_transport(vet))
    careless = Sender(callback_transport(vet), allow_private=True)
    async with Subscriber(OK, tls=certificate) as subscriber:
        for sender in (strict, careless):
            answer = await sender.send(f"https://{host}:{subscriber.port}/", HEADERS, BODY, 10)
            assert answer.error is not None
            assert answer.error.startswith("forbidden ")
            await sender.aclose()
        assert subscriber.connections == 0


async def test_plain_http_is_forbidden() -> None:
    """An endpoint written while plain http was allowed is refused once it is not."""
    sender = Sender(callback_transport(lambda _: None))
    answer = await sender.send("http://8.8.8.8/", HEADERS, BODY, 10)
    await sender.aclose()
    assert answer.error == "forbidden URL: must begin with https://"


async def test_expired_certificate(sender: Sender, authority: Authority) -> None:
    """A certificate that has expired is not accepted, and said to be so."""
    async with Subscriber(OK, tls=authority.server(expired=True)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
        assert (answer.error, subscriber.requests) == ("TLS: certificate has expired", [])


async def test_wrong_host(sender: Sender, authority: Authority) -> None:
    """A certificate for another host is not accepted."""
    async with Subscriber(OK, tls=authority.server(("shop.example",))) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert answer.error is not None
    assert answer.error.startswith("TLS: ")
    assert "127.0.0.1" in answer.error


async def test_self_signed(sender: Sender, authority: Authority) -> None:
    """A certificate that signed itself is not accepted."""
    async with Subscriber(OK, tls=authority.server(self_signed=True)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert answer.error == "TLS: self-signed certificate"


async def test_unknown_authority(certificate: ssl.SSLContext) -> None:
    """An authority that nobody has vouched for is not accepted."""
    sender = Sender(callback_transport(lambda _: None), allow_private=True)
    async with Subscriber(OK, tls=certificate) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    await sender.aclose()
    assert answer.error == "TLS: unable to get local issuer certificate"


async def test_added_authority(
    authority: Authority, certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE adds an authority to certifi's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.cafile))
    context = tls_context()
    sender = Sender(callback_transport(lambda _: None, tls=context), allow_private=True)
    async with Subscriber(OK, tls=certificate) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    await sender.aclose()
    assert answer.ok, answer
    assert len(context.get_ca_certs()) > 50


async def test_wrong_protocols(sender: Sender, certificate: ssl.SSLContext) -> None:
    """TLS to a plain port and plain to a TLS port both fail in words."""
    async with Subscriber(OK) as plain, Subscriber(OK, tls=certificate) as secure:
        to_plain = await sender.send(plain.url.replace("http:", "https:"), HEADERS, BODY, 0.7)
        to_secure = await sender.send(secure.url.replace("https:", "http:"), HEADERS, BODY, 10)
    assert to_plain.error == "timed out after 700ms"
    assert to_secure.error in {"connection closed without an answer", "connection reset", "invalid HTTP answer"}


async def test_tls_handshake_hangs(sender: Sender) -> None:
    """A server that accepts and never shakes hands costs the timeout and leaves no connection behind."""
    async with Subscriber(CATALOGUE["silent"]) as subscriber:
        began = time.monotonic()
        answer = await sender.send(subscriber.url.replace("http:", "https:"), HEADERS, BODY, 0.5)
        assert answer.error == "timed out after 500ms"
        assert time.monotonic() - began < 5
        await asyncio.wait_for(subscriber.left(), 10)


async def test_connections_are_kept(sender: Sender) -> None:
    """Requests after one another share a connection."""
    async with Subscriber(OK) as subscriber:
        for _ in range(5):
            assert (await sender.send(subscriber.url, HEADERS, BODY, 10)).ok
        assert (subscriber.connections, len(subscriber.requests)) == (1, 5)


async def test_dropped_kept_connection(sender: Sender) -> None:
    """A kept connection that the server drops as it is used again is no failed attempt: a new one is made."""

    async def play(connection: Connection) -> None:
        if len(subscriber.requests) == 2:
            connection.reset()
        else:
            await status(200, b"ok")(connection)

    async with Subscriber(Behaviour("drops_second", play, "delivered", 200)) as subscriber:
        answers = [await sender.send(subscriber.url, HEADERS, BODY, 10) for _ in range(2)]
        assert [answer.ok for answer in answers] == [True, True]
        assert (subscriber.connections, len(subscriber.requests)) == (2, 3)


async def test_hanging_endpoints_hold_up_nobody(sender: Sender) -> None:
    """With 300 requests hanging, another endpoint answers as ever."""
    async with Subscriber(CATALOGUE["silent"]) as silent, Subscriber(OK) as healthy:
        hanging = [asyncio.create_task(sender.send(silent.url, HEADERS, BODY, 30)) for _ in range(300)]
        await asyncio.wait_for(silent.received(300), 60)
        answer = await sender.send(healthy.url, HEADERS, BODY, 10)
        assert answer.ok, answer
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await asyncio.wait_for(silent.left(), 10)


async def test_cancelled(sender: Sender) -> None:
    """A cancelled attempt raises what cancelled it and lets its connection go."""
    async with Subscriber(CATALOGUE["silent"]) as subscriber:
        task = asyncio.create_task(sender.send(subscriber.url, HEADERS, BODY, 30))
        await asyncio.wait_for(subscriber.received(1), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(subscriber.left(), 10)


async def test_retry_after_date(sender: Sender) -> None:
    """A date in `Retry-After` becomes the seconds until then."""
    date = format_datetime(datetime.fromtimestamp(time.time() + 3600, UTC), usegmt=True)
    behaviour = Behaviour("busy", status(503, b"", f"Retry-After: {date}"), "again", 503)
    async with Subscriber(behaviour) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert answer.retry_after == pytest.approx(3600, abs=30)


async def test_request_as_sent(sender: Sender) -> None:
    """The endpoint gets our headers once each, the body byte for byte, the path as it was written, nothing more."""
    async with Subscriber(OK) as subscriber:
        await sender.send(subscriber.url + "%2F1/./?a=%2B&b=%ED%95%9C", {**HEADERS, "x-extra": "1"}, BODY, 10)
    request = subscriber.requests[0]
    assert request.target == "/hook%2F1/?a=%2B&b=%ED%95%9C"
    assert request.body == BODY
    assert request.headers["content-length"] == str(len(BODY))
    assert set(request.headers) - {"host", "content-length", *HEADERS, "x-extra"} <= {
        "accept",
        "accept-encoding",
        "user-agent",
    }


async def test_cookies_are_not_kept(sender: Sender) -> None:
    """A cookie that an endpoint sets is never sent back."""
    async with Subscriber(CATALOGUE["cookies"]) as subscriber:
        for _ in range(2):
            await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert all("cookie" not in request.headers for request in subscriber.requests)


async def test_proxies_are_ignored(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used: it would connect where the relay may not."""
    async with Subscriber(OK) as proxy, Subscriber(OK) as subscriber:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        sender = Sender(callback_transport(lambda _: None, tls=authority.client()), allow_private=True)
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
        await sender.aclose()
        assert (answer.ok, proxy.connections) == (True, 0)


async def test_own_headers_are_masked(sender: Sender) -> None:
    """What an endpoint repeats of the operator's headers is not kept: attempts are shown to read-only tokens."""

    async def echo(connection: Connection) -> None:
        said = subscriber.requests[-1].headers["authorization"]
        await status(500, f"you sent {said}; token={said.split()[1]}".encode())(connection)

    async with Subscriber(Behaviour("echo", echo, "again", 500)) as subscriber:
        answer = await sender.send(subscriber.url, {**HEADERS, "authorization": "Bearer s3cr3t-t0ken"}, BODY, 10)
    assert "s3cr3t" not in answer.response
    assert answer.response.startswith("you sent ***")


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("error_500", "x" * 1024),
        ("error_502_in_korean", "오류"),
        ("not_really_gzip", "(5 bytes, gzip-encoded)"),
        ("stops_in_body", "ok"),
        ("reset_in_body", "ok"),
        ("no_content", ""),
    ],
)
async def test_start_of_the_answer_is_kept(name: str, response: str, sender: Sender) -> None:
    """The first KiB of an answer is kept as text, also of one that broke off; compressed ones are not opened."""
    async with Subscriber(CATALOGUE[name]) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 0.7 if CATALOGUE[name].times_out else 20)
    assert answer.response == response


async def test_endless_body_is_let_go(sender: Sender) -> None:
    """Of a body of 50 MB little more than what the sockets hold is ever taken."""
    taken = 0

    async def play(connection: Connection) -> None:
        nonlocal taken
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(1000):
            await connection.write(b"x" * 50_000)
            taken += 50_000

    async with Subscriber(Behaviour("counts", play, "delivered", 200)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 20)
        await asyncio.wait_for(subscriber.left(), 10)
    assert answer.ok
    assert taken < 20_000_000


async def test_broken_transport() -> None:
    """Even a transport that breaks in a way nobody foresaw gives an answer."""

    def broken(_: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    sender = Sender(httpx.MockTransport(broken), allow_private=True)
    answer = await sender.send("https://shop.example/", HEADERS, BODY, 10)
    assert answer.error == "internal error: ZeroDivisionError"


def test_certifi_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system without authorities of its own, certifi's remain."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = tls_context()
    assert len(context.get_ca_certs()) > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
