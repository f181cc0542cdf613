"""Subscribers over real sockets, whose behaviour is in `tests.workers.catalogue`.

async with Subscriber(CATALOGUE["gone"]) as subscriber:
    ... deliver to subscriber.url; subscriber.requests is what came
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

Outcome = Literal["delivered", "again", "disable"]
Play = Callable[["Connection"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a subscriber does (`play`) and what must follow: the outcome of the first attempt, the status recorded,
    how the error begins (`timed out` ones need a short timeout), and the wait it imposes on its lane in seconds
    (`lane_wait`, give or take 2 s where it is a date)."""

    name: str
    play: Play
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    lane_wait: float | None = None
    reads: bool = True
    lingers: bool = False

    @property
    def times_out(self) -> bool:
        """Whether the attempt lasts until the delivery timeout: a failure by it, or an answer that never ends."""
        return self.lingers or (self.error is not None and self.error.startswith("timed out"))


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came: header names in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Connection:
    """A connection a behaviour plays on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep: bool = True

    async def write(self, data: bytes) -> None:
        """Send and wait until it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Close in order."""
        self.keep = False
        self.writer.close()

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.keep = False
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_left(self) -> None:
        """Wait until the other side has gone."""
        self.keep = False
        while await self.reader.read(65536):
            pass


@dataclass(slots=True)
class Subscriber:
    """Listens on a free port while entered; plays `behaviour` for the first `times` requests (all, when None), then
    answers 200."""

    behaviour: Behaviour
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    times: int | None = None
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/hook"

    async def received(self, count: int) -> None:
        """Wait until so many requests have come."""
        while len(self.requests) < count:
            self._news.clear()
            await self._news.wait()

    async def left(self) -> None:
        """Wait until nobody is connected any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._tasks.values():
            writer.transport.abort()
        await self.left()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = writer
        self.connections += 1
        try:
            # The other side may leave at any point: that is what many behaviours are about.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._answer(Connection(reader, writer))
        finally:
            del self._tasks[task]
            writer.close()

    async def _answer(self, connection: Connection) -> None:
        while connection.keep:
            play = self.behaviour
            if self.times is not None and len(self.requests) >= self.times:
                play = _HEALED
            if play.reads:
                self.requests.append(await _read(connection.reader))
                self._news.set()
            else:
                connection.keep = False
            await play.play(connection)


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(head[0].split(" ")[1], headers, body)


async def _ok(connection: Connection) -> None:
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


_HEALED = Behaviour("healed", _ok, "delivered", 200)
