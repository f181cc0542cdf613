"""Requests that offer another protocol are answered as if they had not, on receiver and console alike."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from runtime.http_protocol import HttpProtocol
from tests.console.conftest import TOKEN
from tests.console.conftest import running as console_running
from tests.support.processes import Processes
from tests.support.receivers import notified, start, webhook
from tests.support.waiting import PATIENCE, until

JAVA = shutil.which("java")
H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
WEBSOCKET = (
    b"connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
LENGTH, CHUNKED = (
    b"content-length: 5\r\n\r\nhello",
    b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
)
CLOSE = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def post(offer: bytes, body: bytes, path: bytes = b"/") -> bytes:
    """A request with this offer among its headers."""
    return b"POST " + path + b" HTTP/1.1\r\nhost: x\r\n" + offer + body


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what arrived, as a line of JSON."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    names = sorted({name.decode() for name, _ in scope["headers"]})
    said = {"method": scope["method"], "path": scope["path"], "body": body.decode(), "headers": names}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(said).encode() + b"\n"})


@pytest.fixture
async def echoing(free_port: Callable[[], int]) -> AsyncIterator[int]:
    """The port of a server that echoes."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(echo, host="127.0.0.1", port=port, http=HttpProtocol, ws="none", lifespan="off", log_config=None)
    )
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started, "it has started")
    yield port
    server.should_exit = True
    await task


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            yield reader, writer
    finally:
        writer.close()


async def echoed(port: int, *parts: bytes) -> list[dict[str, Any]]:
    """What the server has understood of bytes that come in these parts, until it closes the connection."""
    async with connected(port) as (reader, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)  # so that it comes by itself
        lines = (await reader.read()).splitlines()
    return [json.loads(line) for line in lines if line.startswith(b"{")]


@pytest.mark.parametrize("body", [LENGTH, CHUNKED])
@pytest.mark.parametrize("offer", [H2C, WEBSOCKET, H2C.upper()])
async def test_a_request_with_an_offer_is_taken_whole(echoing: int, offer: bytes, body: bytes) -> None:
    """Its body arrives, nothing of the offer does, and the connection can be used again, with and without an offer."""
    requests = [post(offer, body), post(b"", body, b"/plain"), post(offer, body, b"/again"), CLOSE]
    whole = b"".join(requests)
    for parts in (requests, [whole], [whole[:60], whole[60:400], whole[400:]]):
        first, plain, again, end = await echoed(echoing, *parts)
        assert [one["path"] for one in (first, plain, again, end)] == ["/", "/plain", "/again", "/end"]
        assert [one["body"] for one in (first, plain, again, end)] == ["hello", "hello", "hello", ""]
        assert not {"upgrade", "http2-settings"} & {*first["headers"], *again["headers"]}


async def test_it_does_not_matter_where_a_request_is_cut(echoing: int) -> None:
    """Bytes of a request with an offer may come in any two parts."""
    whole = post(H2C, CHUNKED) + CLOSE

    async def understood(at: int) -> list[str]:
        return [one["body"] for one in await echoed(echoing, whole[:at], whole[at:])]

    cuts = range(1, len(whole), 3)
    assert await asyncio.gather(*map(understood, cuts)) == [["hello", ""]] * len(cuts)


async def test_many_offers_at_once(echoing: int) -> None:
    """Pipelined requests that all have an offer are all answered."""
    found = await echoed(echoing, post(H2C, LENGTH) * 300 + CLOSE)
    assert [one["body"] for one in found] == ["hello"] * 300 + [""]


async def test_an_offer_without_a_body(echoing: int) -> None:
    """A GET with an offer is a GET; an `Upgrade` that `Connection` does not name is none."""
    offered = b"GET /a HTTP/1.1\r\nhost: x\r\n" + H2C + b"\r\n"
    unnamed = b"POST /b HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\n" + LENGTH
    found = await echoed(echoing, offered, unnamed, CLOSE)
    assert [(one["path"], one["body"]) for one in found] == [("/a", ""), ("/b", "hello"), ("/end", "")]


@pytest.mark.parametrize("offer", [b"", H2C])
async def test_a_client_that_waits_for_100_is_told_to_go_on(echoing: int, offer: bytes) -> None:
    """`Expect: 100-continue` is answered before the body, whether something is offered or not."""
    head, _, body = post(offer, LENGTH).partition(b"\r\n\r\n")
    async with connected(echoing) as (reader, writer):
        writer.write(head + b"\r\nexpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body + CLOSE)
        assert b'"body": "hello"' in await reader.read()


async def test_an_offer_that_asks_to_close(echoing: int) -> None:
    """`Connection: close` beside the offer still closes."""
    offer = H2C.replace(b"Upgrade,", b"close, Upgrade,")
    (only,) = await echoed(echoing, post(offer, LENGTH))
    assert only["body"] == "hello"


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        post(H2C, b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        post(H2C, b"transfer-encoding: chunked\r\n\r\nzz\r\n"),
        post(H2C, b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_400(echoing: int, data: bytes) -> None:
    """An offer makes nothing good that is bad without it; this is no proxy, and no HTTP/2 either."""
    async with connected(echoing) as (reader, writer):
        writer.write(data)
        answer = await reader.read()
    assert b" 400 " in answer
    assert b" 200 " not in answer


def java(folder: Path, url: str, body: str, **headers: str) -> list[str]:
    """What a JDK's client says of its posts: `way status`, two of each on one connection."""
    if JAVA is None:
        pytest.skip("no java on PATH: what a JDK sends is not tried, only what it is known to send")
    source = shutil.copy(Path(__file__).parent / "Post.java", folder)
    given = [f"{name.replace('_', '-')}={value}" for name, value in headers.items()]
    command = [JAVA, source, url, body, *given]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return result.stdout.splitlines()


async def test_webhooks_of_a_jdk(
    processes: Processes, free_port: Callable[[], int], redis_url: str, tmp_path: Path
) -> None:
    """Its HttpClient offers h2c with every request: the receiver accepts each webhook."""
    receiver = await start(processes, free_port(), redis_url)
    said = await asyncio.to_thread(
        java, tmp_path, f"{receiver.url}/webhooks", webhook(1).decode(), content_type="application/json"
    )
    assert said == [f"{way} 200" for way in ("length", "chunked", "expect") for _ in range(2)]
    assert await notified(redis_url) == {"imp_1": 6}


async def test_api_calls_of_a_jdk(redis_url: str, tmp_path: Path) -> None:
    """The console takes its calls, too."""
    body = json.dumps({"merchant": "default", "url": "http://127.0.0.1:9/hook"})
    async with console_running(redis_url, {}) as console:
        url = f"{console.url}/v1/endpoints"
        headers = {"content_type": "application/json", "authorization": f"Bearer {TOKEN}"}
        said = await asyncio.to_thread(lambda: java(tmp_path, url, body, **headers))
        assert said == [f"{way} 201" for way in ("length", "chunked", "expect") for _ in range(2)]
        assert len((await console.call("GET", "/v1/endpoints")).json()["data"]) == 6


async def test_a_flood_of_heads_with_offers_is_bounded(
    processes: Processes, free_port: Callable[[], int], redis_url: str
) -> None:
    """The receiver's limits on headers hold for a request with an offer as for any other."""
    receiver = await start(processes, free_port(), redis_url)
    many = b"".join(b"x-%d: y\r\n" % number for number in range(150))
    assert b" 431 " in await receiver.raw(post(H2C + many, b"content-length: 0\r\n\r\n", b"/webhooks"))
    form = b"imp_uid=imp_7&status=paid"
    head = b"content-type: application/x-www-form-urlencoded\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(
        form
    )
    assert b" 200 " in await receiver.raw(post(H2C, head + form, b"/webhooks"))
    assert await notified(redis_url) == {"imp_7": 1}
