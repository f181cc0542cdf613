"""An HTTP server on a socket of loopback whose every byte a test decides: what i'mport and subscribers are made of."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without its query, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's pairs."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def imp_uids(self) -> list[str]:
        """The ids that a batched look-up asks for."""
        return [value for name, value in self.query if name == "imp_uid[]"]


async def read_request(reader: asyncio.StreamReader) -> Request:
    """The next request of a connection."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    method, target, _version = first.split(" ")
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@dataclass(slots=True)
class Connection:
    """A connection of a client, to be answered in any way. ``keep``: another request may follow on it."""

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


class HttpServer:
    """Listens at ``host`` while it is started or entered, at a free port where none is given.

    It remembers ``requests`` and counts ``connections``.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.tls = tls
        self.host = host
        self.port = port
        self.requests: list[Request] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    async def answer(self, request: Request, connection: Connection) -> None:
        """Answer a request; subclasses say how."""
        raise NotImplementedError

    async def serve(self, connection: Connection) -> None:
        """Answer the requests of a connection, one after the other."""
        while connection.keep:
            request = await read_request(connection.reader)
            self.requests.append(request)
            await self.answer(request, connection)

    async def start(self) -> None:
        """Listen, at a port of the kernel's choice the first time."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task, writer in self._tasks.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def left(self) -> None:
        """Wait until nobody is connected any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def received(self, count: int) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.requests) >= count, f"{count} requests come", every=0.005)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = writer
        self.connections += 1
        try:
            # The other side may leave at any point: that is what many tests are about.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self.serve(Connection(reader, writer))
        finally:
            del self._tasks[task]
            writer.close()
