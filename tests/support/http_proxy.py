"""A small HTTP proxy on a real socket: tunnels by CONNECT, passes plain requests on, and may want a password."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress
from urllib.parse import urlsplit


class HttpProxy:
    """``seen`` holds the first line of each request that was let through; ``credentials`` are ``user:password``."""

    def __init__(self, credentials: str | None = None, refuses: bytes | None = None) -> None:
        self.seen: list[str] = []
        self.turned_away = 0
        self._expected = None if credentials is None else f"Basic {b64encode(credentials.encode('latin-1')).decode()}"
        self._refuses = refuses
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> HttpProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            # Each request of a kept connection is looked at, as its target and password stand in its own head.
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another one may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        given = headers.pop("proxy-authorization", None)
        if self._expected is not None and given != self._expected:
            self.turned_away += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return True
        self.seen.append(head[0])
        if self._refuses is not None:
            writer.write(self._refuses)
            return True
        method, target, version = head[0].split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _both_ways((reader, writer), there)
            return False
        url = urlsplit(target)
        from_there, to_there = await asyncio.open_connection(url.hostname, url.port)
        path = f"{url.path}?{url.query}" if url.query else url.path
        lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in headers.items())]
        to_there.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        answer = await from_there.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        writer.write(answer + await from_there.readexactly(int(length.split(b":")[1])))
        to_there.close()
        return True


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(one: Ends, other: Ends) -> None:
    await asyncio.gather(_pump(one[0], other[1]), _pump(other[0], one[1]))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
