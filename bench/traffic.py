"""A cheap load generator for webhooks: raw asyncio, reused connections, one request in flight on each.

It shares the machine with what it measures, so of an answer it only reads the status and the length.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
Path = Callable[[str], str]
"""Gives the path of a payment's webhook."""
ANSWER_TIMEOUT = 60.0
"""Seconds after which a missing answer is an error."""


def webhook(imp_uid: str, path: str = "/webhooks") -> bytes:
    """A webhook request about one payment, as i'mport sends it."""
    body = b'{"imp_uid":"%s","merchant_uid":"order_%s","status":"paid"}' % (imp_uid.encode(), imp_uid.encode())
    return (
        b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (path.encode(), len(body), body)
    )


@dataclass
class Sent:
    """Sent webhooks: when each was sent (seconds of `perf_counter`), how long each answer took (seconds), and the
    number of answers other than 200."""

    at: dict[str, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    refused: int = 0
    began: float = 0.0
    ended: float = 0.0


class _Connection(asyncio.Protocol):
    """One connection. It calls `answered` after each answer, and `lost` if it breaks before one. It is no longer `open`
    once the server has closed it while idle."""

    def __init__(
        self, sent: Sent, path: Path, answered: Callable[[_Connection], None], lost: Callable[[], None]
    ) -> None:
        self._sent = sent
        self._path = path
        self._answered = answered
        self._lost = lost
        self._received = b""
        self._sent_at = 0.0
        self._waiting = False
        self._transport: asyncio.Transport | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is always a Transport

    def send(self, imp_uid: str) -> None:
        """Sends this payment's webhook; no answer may be outstanding."""
        assert self._transport is not None
        self._waiting = True
        self._sent_at = self._sent.at[imp_uid] = time.perf_counter()
        self._transport.write(webhook(imp_uid, self._path(imp_uid)))

    def data_received(self, data: bytes) -> None:
        self._received = data = self._received + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(data, 0, head)
        if length is None or len(data) < head + 4 + int(length[1]):
            return
        self._received = b""
        self._waiting = False
        self._sent.waits.append(time.perf_counter() - self._sent_at)
        self._sent.refused += data[9:12] != b"200"
        self._answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.open = False
        if self._waiting:
            self._lost()

    def close(self) -> None:
        """Closes it."""
        if self._transport is not None:
            self._transport.close()


class Traffic:
    """Webhooks to one port of a host; `path` says to which address a payment's goes."""

    def __init__(self, port: int, host: str = "127.0.0.1", path: Path = lambda _: "/webhooks") -> None:
        self._host = host
        self._port = port
        self._path = path
        self._open: list[_Connection] = []
        self._broken = False
        self._done: asyncio.Future[None] | None = None

    async def flat_out(self, imp_uids: Iterable[str], *, connections: int, seconds: float = ANSWER_TIMEOUT) -> Sent:
        """Sends these as fast as the answers come, for `seconds` at most: one in flight on each connection."""
        sent, left = Sent(), iter(imp_uids)
        self._done = done = asyncio.get_running_loop().create_future()
        working = connections
        ends = time.perf_counter() + seconds

        def following(connection: _Connection) -> None:
            nonlocal working
            imp_uid = next(left, None) if time.perf_counter() < ends else None
            if imp_uid is not None:
                connection.send(imp_uid)
                return
            working -= 1
            if not working and not done.done():
                done.set_result(None)

        await self._connect(connections, sent, following)
        sent.began = time.perf_counter()
        for connection in self._open:
            following(connection)
        async with asyncio.timeout(seconds + ANSWER_TIMEOUT):
            await done
        sent.ended = time.perf_counter()
        self._close()
        return sent

    async def on_time(self, imp_uids: Sequence[str], times: Sequence[float]) -> Sent:
        """Sends each at its time, in seconds from now, without waiting for the answers to others.

        That planned time counts as when it was sent, so that a delay of the load generator is not hidden.
        """
        sent, idle = Sent(), list[_Connection]()
        await self._connect(16, sent, idle.append)
        idle.extend(self._open)
        sent.began = time.perf_counter()
        for imp_uid, due in zip(imp_uids, times, strict=True):
            await asyncio.sleep(max(0.0, sent.began + due - time.perf_counter()))
            while idle and not idle[-1].open:
                idle.pop()
            if not idle:
                before = len(self._open)
                await self._connect(8, sent, idle.append)
                idle.extend(self._open[before:])
            idle.pop().send(imp_uid)
            sent.at[imp_uid] = sent.began + due
        sent.ended = time.perf_counter()
        for _ in range(int(ANSWER_TIMEOUT * 100)):
            if len(sent.waits) == len(imp_uids):
                break
            await asyncio.sleep(0.01)
        self._close()
        return sent

    async def _connect(self, connections: int, sent: Sent, answered: Callable[[_Connection], None]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(sent, self._path, answered, self._lost), self._host, self._port
            )
            self._open.append(connection)

    def _lost(self) -> None:
        self._broken = True
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _close(self) -> None:
        closing, self._open = self._open, []
        if self._broken:
            raise ConnectionError("the server under test has closed a connection")
        for connection in closing:
            connection.close()
