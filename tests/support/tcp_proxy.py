"""A TCP proxy on loopback that can be cut, mended and slowed down: the network between two of our processes."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    """Forwards to a port of loopback. ``delay`` seconds are added to each piece of data, in either direction.

    While there is ``nonsense``, whoever asks gets these bytes for an answer, and the other side hears nothing.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        self.nonsense: bytes | None = None
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Listen no more, and end what goes through."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection, and each that is tried from now on."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._is_cut:
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(far_writer)
            serving = asyncio.create_task(self._serve_both(reader, writer, far_reader, far_writer))
            self._tasks.add(serving)
            try:
                await serving
            finally:
                self._tasks.discard(serving)
                far_writer.transport.abort()
                self._open.discard(far_writer)
        except OSError:
            return
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _serve_both(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        """Hand on what comes, in both directions, until one of them ends."""
        asking = self._pump(reader, far_writer, or_else=writer)
        ways = [asyncio.create_task(way) for way in (asking, self._pump(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, or_else: asyncio.StreamWriter | None = None
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if or_else is not None and self.nonsense is not None:
                    or_else.write(self.nonsense)
                    await or_else.drain()
                    return
                writer.write(data)
                await writer.drain()
