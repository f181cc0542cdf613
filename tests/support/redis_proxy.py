"""A proxy that understands Redis' protocol: it answers a share of commands itself, with errors, and shifts the time.

A proxy of another kind, a cluster that moves a slot, an operator who takes a right away: all of them answer instead of
dying. Redis' time is what scripts read by TIME; the proxy puts other scripts in their place, which read another one.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from hashlib import sha1

from tests.support.tcp_proxy import Proxy

_TIME = b'redis.call("TIME")'
_MOVED_TIME = b'(function() local t = redis.call("TIME"); t[1] = t[1] + (%d); return t end)()'

ERRORS: tuple[bytes, ...] = (
    b"-ERR upstream failure",
    b"-ASK 3999 127.0.0.1:1",
    b"-TRYAGAIN Multiple keys request during rehashing of slot",
    b"-NOPERM this user has no permissions to run the 'evalsha' command",
    b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    b"-LOADING Redis is loading the dataset in memory",
    b"-SOMETHING nobody has ever heard of",
)


class RedisProxy(Proxy):
    """``share`` of the commands are answered with one of ``errors``; scripts see a time ``shift`` seconds off."""

    def __init__(self, target: int, rng: random.Random) -> None:
        super().__init__(target)
        self._rng = rng
        self._scripts: dict[bytes, bytes] = {}
        self.heal()

    def heal(self) -> None:
        """Hand everything on as it is."""
        self.share = 0.0
        self.errors: tuple[bytes, ...] = ERRORS
        self.shift = 0

    async def _serve_both(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        """One command after the other, each with its answer, in the order in which they came."""
        inside_transaction = False
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw = await _value(reader)
                words = _words(raw)
                name = words[0].upper() if words else b""
                inside_transaction = (inside_transaction or name == b"MULTI") and name not in (b"EXEC", b"DISCARD")
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not inside_transaction and name != b"EXEC" and self._rng.random() < self.share:
                    writer.write(self._rng.choice(self.errors) + b"\r\n")
                elif (changed := self._in_its_time(name, words)) is None:
                    writer.write(b"-NOSCRIPT No matching script. Please use EVAL.\r\n")
                else:
                    far_writer.write(changed or raw)
                    writer.write(await _value(far_reader))
                await writer.drain()

    def _in_its_time(self, name: bytes, words: list[bytes]) -> bytes | None:
        """The command in place of this one, b"" for itself; None for a script whose text has not come by here."""
        if name == b"SCRIPT" and words[1].upper() == b"LOAD":
            self._scripts[sha1(words[2], usedforsecurity=False).hexdigest().encode()] = words[2]
        if name != b"EVALSHA" or not self.shift:
            return b""
        text = self._scripts.get(words[1])
        if text is None:
            return None
        return _packed([b"EVAL", text.replace(_TIME, _MOVED_TIME % self.shift), *words[2:]])


async def _value(reader: asyncio.StreamReader) -> bytes:
    """The bytes of one command or one answer (RESP2)."""
    line = await reader.readuntil(b"\r\n")
    kind, length = line[:1], line[1:-2]
    if kind == b"$" and int(length) >= 0:
        return line + await reader.readexactly(int(length) + 2)
    if kind == b"*" and int(length) > 0:
        return line + b"".join([await _value(reader) for _ in range(int(length))])
    return line


def _words(raw: bytes) -> list[bytes]:
    """The words of a command."""
    words, rest = [], raw.partition(b"\r\n")[2]
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        length = int(head[1:])
        words.append(rest[:length])
        rest = rest[length + 2 :]
    return words


def _packed(words: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
