"""Clients that are slow, endless or do not speak HTTP, on real sockets; the sweep is given the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from receiver import http_connection, responses
from receiver.app import ReceiverApp, routes
from receiver.health import livez
from receiver.http_connection import ANSWER_SECONDS, DISCARDED_BYTES, HEAD_BYTES, IDLE_SECONDS, READ_SECONDS
from receiver.server import make_server
from runtime.http_server import OnTick
from runtime.listening import listen
from tests.support.waiting import PATIENCE, until

REQUEST = b"POST /webhooks HTTP/1.1\r\nhost: x\r\n"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Serving:
    """A server whose only webhook route reads the body, or answers without reading, or hangs."""

    def __init__(self, port: int, sweep: OnTick | None = None) -> None:
        self.port = port
        self.reads = True
        self.hangs = False
        self.left = asyncio.Event()
        table = routes(webhooks=self.webhooks, livez=livez, readyz=livez, metrics=livez)
        self.server = make_server(ReceiverApp(table), sweep)

    async def webhooks(self, _scope: Any, receive: Any, _path: list[bytes]) -> responses.AsgiResponse | None:
        """As the real one, as far as the connection can tell."""
        while self.reads and (message := await receive()).get("more_body", True):
            if message["type"] == "http.disconnect":
                self.left.set()
                return None
        if self.hangs:
            await receive()
            self.left.set()
            return None
        return responses.ALIVE if self.reads else responses.TOO_LARGE

    def sweep(self, seconds: float) -> None:
        """The sweep, so many seconds from now."""
        http_connection.end_expired(self.server.server_state.connections, asyncio.get_running_loop().time() + seconds)

    async def connections(self, count: int) -> None:
        """Wait until there are so many."""
        await until(lambda: len(self.server.server_state.connections) == count, f"there are {count} connections")

    @asynccontextmanager
    async def client(self, data: bytes = b"") -> AsyncIterator[Client]:
        """A connection on which these bytes were sent."""
        before = len(self.server.server_state.connections)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        await self.connections(before + 1)
        await asyncio.sleep(0.1)  # the bytes are read
        yield reader, writer
        writer.close()


@asynccontextmanager
async def running(serving: Serving) -> AsyncIterator[None]:
    """It serves while the block runs."""
    task = asyncio.create_task(serving.server.serve_on(listen("127.0.0.1", serving.port)))
    await until(lambda: serving.server.started, "it has started")
    yield
    serving.server.should_exit = serving.server.force_exit = True
    await task


@pytest.fixture
async def serving(free_port: Callable[[], int]) -> AsyncIterator[Serving]:
    """A running server, swept by hand."""
    serving = Serving(free_port())
    async with running(serving):
        yield serving


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server closes the connection; nothing where it breaks it off."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, read to the end of its body."""
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split(b" ")[1])


@pytest.mark.parametrize("data", [b"", b"POST /web", REQUEST, REQUEST + b"x-slow: "])
async def test_a_head_that_does_not_come_is_408(serving: Serving, data: bytes) -> None:
    """A client that sends nothing, or half a head, gets an answer and is closed when its time is over, not before."""
    async with serving.client(data) as (reader, _):
        serving.sweep(READ_SECONDS - 5)
        await serving.connections(1)
        serving.sweep(READ_SECONDS + 1)
        assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("data", [REQUEST, REQUEST + b"content-length: 9999\r\n\r\n"])
async def test_a_client_that_drips_has_no_more_time(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """A byte now and then does not make a head or a body come in time."""
    monkeypatch.setattr(http_connection, "READ_SECONDS", 1.0)
    async with serving.client(data) as (_, writer):
        for _ in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.05)
            serving.sweep(0)
            if not serving.server.server_state.connections:
                break
        assert not serving.server.server_state.connections


async def test_the_server_sweeps_by_itself(free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second, for as long as it serves."""
    monkeypatch.setattr(http_connection, "READ_SECONDS", 0.5)
    serving = Serving(free_port(), http_connection.end_expired)
    async with running(serving), serving.client(b"POST /web") as (reader, _):
        assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")


async def test_one_connection_too_many_is_told_so(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there go on, and when one of them leaves there is room for another."""
    monkeypatch.setattr(http_connection, "CONNECTIONS", 2)
    async with serving.client() as (_, leaving), serving.client() as (reader, writer):
        late, _ = await asyncio.open_connection("127.0.0.1", serving.port)
        answer = await rest(late)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
        writer.write(REQUEST + b"content-length: 0\r\n\r\n")
        assert await answered(reader) == 200
        leaving.close()
        await serving.connections(1)
        async with serving.client(REQUEST + b"content-length: 0\r\n\r\n") as (another, _):
            assert await answered(another) == 200


async def test_a_body_that_does_not_come_is_broken_off(serving: Serving) -> None:
    """A client that announces more than it sends is let go, and the request with it."""
    async with serving.client(REQUEST + b"content-length: 100\r\n\r\n{") as (reader, _):
        serving.sweep(READ_SECONDS + 1)
        assert await rest(reader) == b""
        async with asyncio.timeout(PATIENCE):
            await serving.left.wait()


async def test_an_idle_connection_is_closed(serving: Serving) -> None:
    """A connection that is kept alive is let go after its time, and not before."""
    async with serving.client(REQUEST + b"content-length: 0\r\n\r\n") as (reader, _):
        assert await answered(reader) == 200
        serving.sweep(IDLE_SECONDS - 5)
        await serving.connections(1)
        serving.sweep(IDLE_SECONDS + 1)
        assert await rest(reader) == b""


async def test_an_answer_that_nobody_gives_or_takes_is_broken_off(serving: Serving) -> None:
    """A request that hangs does not hold its connection for ever."""
    serving.hangs = True
    async with serving.client(REQUEST + b"content-length: 0\r\n\r\n") as (reader, _):
        serving.sweep(READ_SECONDS + 5)
        await serving.connections(1)
        serving.sweep(ANSWER_SECONDS + 1)
        assert await rest(reader) == b""


@pytest.mark.parametrize("filler", [b"x" * 1000, b"x-many: 1\r\n" * 100])
async def test_a_head_without_end_is_refused(serving: Serving, filler: bytes) -> None:
    """A head is read up to a limit, in one line or in many; then the connection ends."""
    async with serving.client(REQUEST) as (_, writer):
        for _ in range(HEAD_BYTES * 2 // len(filler)):
            writer.write(filler)
            await asyncio.sleep(0.001)
        await serving.connections(0)
    assert serving.server.server_state.total_requests == 0


async def test_too_many_headers_are_431(serving: Serving) -> None:
    """Also headers that come all at once."""
    async with serving.client(REQUEST + b"x-many: 1\r\n" * 200 + b"\r\n") as (reader, _):
        assert (await rest(reader)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_400(serving: Serving, data: bytes) -> None:
    """Bytes that make no request get a problem like any other bad request."""
    async with serving.client(data) as (reader, _):
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: application/problem+json\r\n" in answer


async def test_a_refused_body_may_still_come(serving: Serving) -> None:
    """A client that is still sending when it is refused gets to see why, and can use its connection again."""
    serving.reads = False
    async with serving.client(REQUEST + b"content-length: 200000\r\n\r\n") as (reader, writer):
        writer.write(b"x" * 200_000)
        assert await answered(reader) == 413
        serving.reads = True
        writer.write(REQUEST + b"content-length: 2\r\n\r\n{}")
        assert await answered(reader) == 200


async def test_a_refused_body_without_end_is_broken_off(serving: Serving) -> None:
    """What is thrown away is limited, too."""
    serving.reads = False
    async with serving.client(REQUEST + b"content-length: 999999999\r\n\r\n") as (reader, writer):
        assert await answered(reader) == 413
        writer.write(b"x" * DISCARDED_BYTES * 2)
        await serving.connections(0)


async def test_pipelined_requests_are_all_answered(serving: Serving) -> None:
    """Many requests in one read, the last of them in two, are no head without end."""
    one = REQUEST + b"content-length: 2\r\n\r\n{}"
    async with serving.client(one * 3000 + one[:20]) as (reader, writer):
        for _ in range(3000):
            assert await answered(reader) == 200
        writer.write(one[20:])
        assert await answered(reader) == 200


async def test_answers_without_a_body_are_written(serving: Serving) -> None:
    """To `HEAD` an answer has no body that its head could go with; what follows on the connection is answered, too."""
    head = b"HEAD /livez HTTP/1.1\r\nhost: x\r\n"
    async with serving.client((head + b"\r\n") * 2 + head + b"connection: close\r\n\r\n") as (reader, _):
        async with asyncio.timeout(PATIENCE):
            heads = (await reader.read()).split(b"\r\n\r\n")
        assert [one[:15] for one in heads] == [b"HTTP/1.1 200 OK"] * 3 + [b""]


async def test_a_client_that_waits_for_100_continue(serving: Serving) -> None:
    """It gets the interim answer before it sends its body, and then the answer, in one piece."""
    async with serving.client(REQUEST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n") as (reader, writer):
        async with asyncio.timeout(PATIENCE):
            assert await reader.read(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read(1024)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(responses.ALIVE.body["body"])
