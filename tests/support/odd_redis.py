"""A proxy before a real Redis that answers some commands itself, as managed ones and their proxies do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files

Command = list[bytes]


class OddRedis:
    """Forwards commands to a Redis on loopback, but for those that ``odd`` has an answer for: an error's words, such as
    ``ERR upstream failure``. ``odd`` may be changed at any time; ``answered`` counts these words."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.odd: Callable[[Command], str | None] = lambda _command: None
        self.answered: Counter[str] = Counter()
        self._scripts: dict[bytes, bytes] = {}

    @property
    def url(self) -> str:
        """Where it listens, as a ledger's address."""
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def runs(self, command: Command, name: str) -> bool:
        """Whether a command is a call of this script of the ledger's, as it was loaded through here."""
        text = (files("ledger") / "scripts" / f"{name}.lua").read_bytes()
        return command[0] == b"EVALSHA" and text in self._scripts.get(command[1], b"")

    async def __aenter__(self) -> OddRedis:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._serving:
            writer.transport.abort()
        await asyncio.gather(*filter(None, self._serving.values()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._serving[writer] = asyncio.current_task()
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    raw, command = await _command(reader)
                    if command[:2] == [b"SCRIPT", b"LOAD"]:
                        self._scripts[sha1(command[2], usedforsecurity=False).hexdigest().encode()] = command[2]
                    words = self.odd(command)
                    if words is None:
                        far_writer.write(raw)
                        writer.write(await _reply(far_reader))
                    else:
                        self.answered[words] += 1
                        writer.write(f"-{words}\r\n".encode())
                    await writer.drain()
        finally:
            self._serving.pop(writer, None)
            for end in (writer, far_writer):
                end.transport.abort()


async def _command(reader: asyncio.StreamReader) -> tuple[bytes, Command]:
    """One command of a client: its bytes, and its words."""
    raw = await reader.readuntil(b"\r\n")
    words = []
    for _ in range(int(raw[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        raw += size + word
        words.append(word[:-2])
    return raw, words


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """One whole answer of a server, in version 2 of its protocol."""
    head = await reader.readuntil(b"\r\n")
    kind, size = head[:1], head[1:-2]
    if kind == b"$" and size != b"-1":
        return head + await reader.readexactly(int(size) + 2)
    if kind == b"*" and size != b"-1":
        return head + b"".join([await _reply(reader) for _ in range(int(size))])
    return head
