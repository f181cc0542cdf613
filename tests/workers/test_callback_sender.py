"""What the sender does around the answer: connections, time, and what it lets out."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
import orjson
import pytest

from schemas.endpoints.delivery import attempt
from schemas.reasons import Reason
from tests.support.certificates import Authority
from tests.support.http_server import Connection
from tests.support.reasons import said
from tests.support.subscribers import Behaviour, Subscriber
from tests.workers.catalogue import CATALOGUE, raw, status
from workers.callback_sender import CallbackSender
from workers.callback_transport import CallbackTransport, callback_transport

HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id":"evt_1"}'
OK = CATALOGUE["ok"]
RAW_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_refused(sender: CallbackSender, free_port: Callable[[], int]) -> None:
    """A port that nothing listens on is said to refuse."""
    answer = await sender.send(f"http://127.0.0.1:{free_port()}/", HEADERS, BODY, 10)
    assert (answer.status_code, said(answer.error), answer.response) == (None, "connection refused", "")


async def test_ipv6(sender: CallbackSender, certificate: ssl.SSLContext) -> None:
    """An endpoint at an IPv6 address is reached, over TLS too."""
    for tls in (None, certificate):
        async with Subscriber(OK, host="::1", tls=tls) as subscriber:
            answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
            assert answer.ok, answer
            assert subscriber.requests[0].headers["host"] == f"[::1]:{subscriber.port}"


async def test_connections_are_kept(sender: CallbackSender) -> None:
    """Requests after one another share a connection."""
    async with Subscriber(OK) as subscriber:
        for _ in range(5):
            assert (await sender.send(subscriber.url, HEADERS, BODY, 10)).ok
        assert (subscriber.connections, len(subscriber.requests)) == (1, 5)


async def test_dropped_kept_connection(sender: CallbackSender) -> None:
    """A kept connection that the server drops as it is used again is told as such: nobody can know whether the request
    was read. The next one is made over a new connection."""

    async def play(connection: Connection) -> None:
        if len(subscriber.requests) == 2:
            connection.reset()
        else:
            await status(200, b"ok")(connection)

    async with Subscriber(Behaviour("drops_second", play, "delivered", 200)) as subscriber:
        answers = [await sender.send(subscriber.url, HEADERS, BODY, 10) for _ in range(3)]
        assert [answer.ok for answer in answers] == [True, False, True]
        assert [answer.stale_connection for answer in answers] == [False, True, False]
        assert said(answers[1].error) == "connection reset"
        assert (subscriber.connections, len(subscriber.requests)) == (2, 3)


async def test_hanging_endpoints_hold_up_nobody(sender: CallbackSender) -> None:
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


async def test_cancelled(sender: CallbackSender) -> None:
    """A cancelled attempt raises what cancelled it and lets its connection go."""
    async with Subscriber(CATALOGUE["silent"]) as subscriber:
        task = asyncio.create_task(sender.send(subscriber.url, HEADERS, BODY, 30))
        await asyncio.wait_for(subscriber.received(1), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(subscriber.left(), 10)


async def test_retry_after_date(sender: CallbackSender) -> None:
    """A date in `Retry-After` becomes the seconds until then."""
    date = format_datetime(datetime.fromtimestamp(time.time() + 3600, UTC), usegmt=True)
    behaviour = Behaviour("busy", status(503, b"", f"Retry-After: {date}"), "again", 503)
    async with Subscriber(behaviour) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert answer.retry_after == pytest.approx(3600, abs=30)


async def test_request_as_sent(sender: CallbackSender) -> None:
    """The endpoint gets our headers once each, the body byte for byte, nothing more."""
    async with Subscriber(OK) as subscriber:
        await sender.send(subscriber.url, {**HEADERS, "x-extra": "1"}, BODY, 10)
    request = subscriber.requests[0]
    assert request.body == BODY
    assert request.headers["content-length"] == str(len(BODY))
    assert set(request.headers) - {"host", "content-length", *HEADERS, "x-extra"} <= {
        "accept",
        "accept-encoding",
        "user-agent",
    }


@pytest.mark.parametrize(
    ("written", "asked_for"),
    [
        ("/hook?sig=a%2Fb%2bc+d%20e~%7E", None),
        ("/a%2F1//./../b/%2e%2E/c;v=1", None),
        ("/hook?a=&b&&=c&a=1?/:@!$'()*,;[]", None),
        ("/hook?", None),
        ("/?", None),
        ("/100%/%zz?%", None),
        ('/a"b<c>d^e`f{g|h}i', None),
        ("/결제/%ED%95%9c?이름=값&x=%2F", "/%EA%B2%B0%EC%A0%9C/%ED%95%9c?%EC%9D%B4%EB%A6%84=%EA%B0%92&x=%2F"),
        ("", "/"),
        ("?a=%2F", "/?a=%2F"),
    ],
)
async def test_the_url_is_sent_as_written(written: str, asked_for: str | None, sender: CallbackSender) -> None:
    """Byte by byte, as signatures over URLs want it; only what no request line can hold is encoded."""
    async with Subscriber(OK) as subscriber:
        url = subscriber.url.removesuffix("/hook") + written
        answer = await sender.send(url, HEADERS, BODY, 10)
    assert answer.ok, answer
    assert subscriber.requests[0].target == (asked_for or written)
    assert subscriber.requests[0].headers["host"] == f"127.0.0.1:{subscriber.port}"


@pytest.mark.parametrize("code", [200, 413])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_an_answer_before_the_body_was_read_counts(
    code: int, secure: bool, sender: CallbackSender, certificate: ssl.SSLContext
) -> None:
    """Also with a body of more than sockets hold, of which the endpoint reads nothing."""

    async def play(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.write(f"HTTP/1.1 {code} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno".encode())
        connection.close()

    early = Behaviour("early", play, "again", code, reads=False)
    async with Subscriber(early, tls=certificate if secure else None) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, b"x" * 20_000_000, 20)
    assert (answer.status_code, answer.error) == (code, None)


async def test_a_large_body_arrives(sender: CallbackSender) -> None:
    """A callback of 1 MB arrives whole."""
    body = bytes(range(256)) * 4096
    async with Subscriber(OK) as subscriber:
        assert (await sender.send(subscriber.url, HEADERS, body, 20)).ok
    assert subscriber.requests[0].body == body


@pytest.mark.parametrize("late", [b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b"ok", b"HTTP/1.1 2"])
async def test_what_comes_unasked_is_no_answer(late: bytes, sender: CallbackSender) -> None:
    """Bytes behind an answer end the kept connection at once, and the next callback goes over another one."""

    async def play(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        if len(subscriber.requests) == 1:
            await asyncio.sleep(0.1)
            await connection.write(late)

    async with Subscriber(Behaviour("talkative", play, "delivered", 204)) as subscriber:
        assert (await sender.send(subscriber.url, HEADERS, BODY, 10)).ok
        await asyncio.wait_for(subscriber.left(), 10)
        assert (await sender.send(subscriber.url, HEADERS, BODY, 10)).ok
        assert subscriber.connections == 2


async def test_nonsense_over_a_kept_connection_is_tried_over_a_new_one(sender: CallbackSender) -> None:
    """It may be what was left of an answer before; over a new connection it is a failure."""

    async def play(connection: Connection) -> None:
        await connection.write(b"nonsense\r\n\r\n" if len(subscriber.requests) > 1 else RAW_OK)

    async with Subscriber(Behaviour("nonsense", play, "again")) as subscriber:
        answers = [await sender.send(subscriber.url, HEADERS, BODY, 10) for _ in range(3)]
    assert [said(answer.error) for answer in answers] == ["", "invalid HTTP answer", "invalid HTTP answer"]
    assert [answer.stale_connection for answer in answers] == [False, True, False]


async def test_a_head_is_bounded(sender: CallbackSender) -> None:
    """Of an endless head little more than what the sockets hold is ever taken, and nothing waits for its end."""
    taken = 0

    async def play(connection: Connection) -> None:
        nonlocal taken
        await connection.write(b"HTTP/1.1 500 Oh\r\n")
        while not connection.writer.is_closing():
            await connection.write(b"X: " + b"y" * 60_000 + b"\r\n")
            taken += 60_000

    async with Subscriber(Behaviour("endless", play, "again", 500)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 20)
        await asyncio.wait_for(subscriber.left(), 10)
    assert (answer.status_code, said(answer.error)) == (500, "invalid HTTP answer")
    assert taken < 20_000_000


async def test_cookies_are_not_kept(sender: CallbackSender) -> None:
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
        sender = CallbackSender(callback_transport(lambda _: None, tls=authority.client()), allow_private=True)
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
        await sender.close()
        assert (answer.ok, proxy.connections) == (True, 0)


async def test_own_headers_are_masked(sender: CallbackSender) -> None:
    """What an endpoint repeats of the operator's headers is not kept: attempts are shown to read-only tokens."""

    async def echo(connection: Connection) -> None:
        said = subscriber.requests[-1].headers["authorization"]
        await status(500, f"you sent {said}; token={said.split()[1]}".encode())(connection)

    async with Subscriber(Behaviour("echo", echo, "again", 500)) as subscriber:
        answer = await sender.send(subscriber.url, {**HEADERS, "authorization": "Bearer s3cr3t-t0ken"}, BODY, 10)
    assert isinstance(answer.response, str)
    assert "s3cr3t" not in answer.response
    assert answer.response.startswith("you sent ***")


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("error_500", "x" * 1024),
        ("error_502_in_korean", "오류"),
        ("not_really_gzip", Reason.of("response_encoded", bytes=5, encoding="gzip")),
        ("stops_in_body", "ok"),
        ("reset_in_body", "ok"),
        ("no_content", ""),
    ],
)
async def test_start_of_the_answer_is_kept(name: str, response: str | Reason, sender: CallbackSender) -> None:
    """The first KiB of an answer is kept as text, also of one that broke off; compressed ones are not opened."""
    async with Subscriber(CATALOGUE[name]) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 0.7 if CATALOGUE[name].times_out else 20)
    assert answer.response == response


async def test_headers_that_are_no_text(sender: CallbackSender) -> None:
    """Whatever bytes an endpoint puts into its headers, what is kept of its answer can be written."""
    headers = b"Content-Type: text/plain; charset=\xff\r\nContent-Encoding: \xfe\xff\r\nRetry-After: \xff\r\n"
    answer_of = raw(b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: 2\r\n\r\nok")
    async with Subscriber(Behaviour("odd", answer_of, "delivered", 200)) as subscriber:
        answer = await sender.send(subscriber.url, HEADERS, BODY, 10)
    assert answer.ok
    assert answer.response == Reason.of("response_encoded", bytes=2, encoding="\ufffd\ufffd")
    assert orjson.dumps(attempt(answer, 0, replay=False))


async def test_endless_body_is_let_go(sender: CallbackSender) -> None:
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
    """Even a transport that fails in an unforeseen way gives a result."""

    def broken() -> aiohttp.ClientSession:
        raise ZeroDivisionError

    sender = CallbackSender(CallbackTransport(broken), allow_private=True)
    answer = await sender.send("https://shop.example/", HEADERS, BODY, 10)
    assert said(answer.error) == "internal error: ZeroDivisionError"
