"""The network between two processes, to be broken: a TCP proxy, one that understands Redis, and one for HTTP."""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files
from typing import Self
from urllib.parse import urlsplit

from tests.support.http_server import Connection, HttpServer, read_request

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TcpProxy:
    """Forwards to a port of loopback. ``delay`` seconds are added to each piece of data, in either direction.

    While there is ``nonsense``, a client gets these bytes for an answer, and the other side receives nothing.
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

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def cut(self) -> None:
        """Break every connection, and each that is tried from now on."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def forward(self, near: Ends, far: Ends) -> None:
        """Pass on what comes, in both directions, until one of them ends."""
        ways = [asyncio.create_task(way) for way in (self._pump(near[0], far[1], near[1]), self._pump(far[0], near[1]))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._is_cut:
                return
            far = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(far[1])
            serving = asyncio.create_task(self.forward((reader, writer), far))
            self._tasks.add(serving)
            try:
                await serving
            finally:
                self._tasks.discard(serving)
                far[1].transport.abort()
                self._open.discard(far[1])
        except OSError:
            return
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None = None
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if client is not None and self.nonsense is not None:
                    client.write(self.nonsense)
                    await client.drain()
                    return
                writer.write(data)
                await writer.drain()


Command = list[bytes]
ERRORS = (
    "ERR upstream failure",
    "ASK 3999 127.0.0.1:1",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "LOADING Redis is loading the dataset in memory",
    "SOMETHING nobody has ever heard of",
)
_TIME = b'redis.call("TIME")'
_SHIFTED_TIME = b'(function() local t = redis.call("TIME"); t[1] = t[1] + (%d); return t end)()'


class RedisProxy(TcpProxy):
    """Answers commands itself where ``refuse`` has an error for them, as proxies, clusters and managed Redis do.

    ``refuse`` may be changed at any time; ``refused`` counts its errors. The answer to a command that ``holds_up`` is
    true of waits until ``let_go`` is set. While there is a ``shift``, scripts that ask for TIME see a time so many
    seconds off: the proxy puts changed scripts in their place.
    """

    def __init__(self, target: int, rng: random.Random | None = None) -> None:
        super().__init__(target)
        self._rng = rng or random.Random(0)
        self._scripts: dict[bytes, bytes] = {}
        self.refused: Counter[str] = Counter()
        self.let_go = asyncio.Event()
        self.heal()

    @property
    def url(self) -> str:
        """Where it listens, as a ledger's address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def heal(self) -> None:
        """Hand everything on as it is."""
        self.refuse: Callable[[Command], str | None] = lambda _command: None
        self.holds_up: Callable[[Command], bool] = lambda _command: False
        self.shift = 0

    def refuse_share(self, share: float, errors: tuple[str, ...] = ERRORS) -> None:
        """Answer this share of all commands with one of these errors."""
        self.refuse = lambda _command: self._rng.choice(errors) if self._rng.random() < share else None

    def runs(self, command: Command, name: str) -> bool:
        """Whether a command is a call of this script of the ledger's, as it was loaded through here."""
        text = (files("ledger") / "scripts" / f"{name}.lua").read_bytes()
        return command[0] == b"EVALSHA" and text in self._scripts.get(command[1], b"")

    async def forward(self, near: Ends, far: Ends) -> None:
        """One command after the other, each with its answer, in the order in which they came.

        What belongs to a transaction is not refused: clients take a transaction apart only as a whole.
        """
        (reader, writer), (far_reader, far_writer) = near, far
        in_transaction = False
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw, words = await _read_command(reader)
                name = words[0].upper() if words else b""
                in_transaction = name != b"DISCARD" and (in_transaction or name == b"MULTI")
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not in_transaction and (error := self.refuse(words)) is not None:
                    self.refused[error] += 1
                    writer.write(f"-{error}\r\n".encode())
                elif (changed := self._with_shifted_time(name, words)) is None:
                    writer.write(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
                else:
                    far_writer.write(changed or raw)
                    answer = await _read_reply(far_reader)
                    if self.holds_up(words):
                        await self.let_go.wait()
                    writer.write(answer)
                in_transaction = in_transaction and name != b"EXEC"
                await writer.drain()

    def _with_shifted_time(self, name: bytes, words: Command) -> bytes | None:
        """The command in place of this one, b"" for itself; None for a script whose text has not come by here."""
        if name == b"SCRIPT" and words[1].upper() == b"LOAD":
            self._scripts[sha1(words[2], usedforsecurity=False).hexdigest().encode()] = words[2]
        if name != b"EVALSHA" or not self.shift:
            return b""
        text = self._scripts.get(words[1])
        if text is None:
            return None
        packed = [b"EVAL", text.replace(_TIME, _SHIFTED_TIME % self.shift), *words[2:]]
        return b"*%d\r\n" % len(packed) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in packed)


async def _read_command(reader: asyncio.StreamReader) -> tuple[bytes, Command]:
    """One command of a client: its bytes, and its words."""
    raw, words = await reader.readuntil(b"\r\n"), []
    for _ in range(int(raw[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        raw += size + word
        words.append(word[:-2])
    return raw, words


async def _read_reply(reader: asyncio.StreamReader) -> bytes:
    """One whole answer of a server, in version 2 of its protocol."""
    head = await reader.readuntil(b"\r\n")
    kind, size = head[:1], head[1:-2]
    if kind == b"$" and size != b"-1":
        return head + await reader.readexactly(int(size) + 2)
    if kind == b"*" and size != b"-1":
        return head + b"".join([await _read_reply(reader) for _ in range(int(size))])
    return head


class HttpProxy(HttpServer):
    """Tunnels by CONNECT, passes plain requests on, and may want a password or refuse everything.

    ``seen`` holds the first line of each request that was let through; ``credentials`` are ``user:password``.
    """

    def __init__(self, credentials: str | None = None, refuses: bytes | None = None) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.turned_away = 0
        self._expected = None if credentials is None else f"Basic {b64encode(credentials.encode('latin-1')).decode()}"
        self._refuses = refuses

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, connection: Connection) -> None:
        """Check each request of a connection: its target and password stand in its own head."""
        while connection.keep:
            request = await read_request(connection.reader)
            given = request.headers.pop("proxy-authorization", None)
            if self._expected is not None and given != self._expected:
                self.turned_away += 1
                await connection.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                continue
            self.seen.append(f"{request.method} {request.target} HTTP/1.1")
            if self._refuses is not None:
                await connection.write(self._refuses)
            elif request.method == "CONNECT":
                connection.keep = False
                host, _, port = request.target.rpartition(":")
                far = await asyncio.open_connection(host, int(port))
                await connection.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                try:
                    await TcpProxy(int(port)).forward((connection.reader, connection.writer), far)
                finally:
                    far[1].close()
            else:
                url = urlsplit(request.target)
                from_there, to_there = await asyncio.open_connection(url.hostname, url.port)
                path = f"{url.path}?{url.query}" if url.query else url.path
                lines = [f"{request.method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
                to_there.write("\r\n".join([*lines, "", ""]).encode("latin-1") + request.body)
                head = await from_there.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await connection.write(head + await from_there.readexactly(int(length.split(b":")[1])))
                to_there.close()
