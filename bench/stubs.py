"""Stand-ins for i'mport and subscribers, as cheap as possible, as they share the machine with what is measured."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from bench.payment import ROW

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_IMP_UID = re.compile(rb'"imp_uid": ?"([^"]+)"')


class _Server(asyncio.Protocol):
    """As much of HTTP/1.1 as the clients here need: requests with a length or without a body, reused connections."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is always a Transport

    def data_received(self, data: bytes) -> None:
        data = self._received + data if self._received else data
        while (head := data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(data, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(data) < end:
                break
            answer = self.answer(data[:head], data[head + 4 : end])
            if answer and self._transport is not None:
                self._transport.write(answer)
            data = data[end:]
        self._received = data

    def answer(self, head: bytes, body: bytes, /) -> bytes:
        """The answer's bytes; empty to let the client wait."""
        raise NotImplementedError


def json_answer(body: bytes) -> bytes:
    """A 200 with this JSON."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


class IamportStandIn(_Server):
    """i'mport's token and look-up calls; every payment is known, and paid."""

    def answer(self, head: bytes, _body: bytes, /) -> bytes:
        path = unquote(head.split(b" ", 2)[1].decode())
        now = int(time.time())
        if path == "/users/getToken":
            token = b'{"access_token":"token","now":%d,"expired_at":%d}' % (now, now + 1800)
            return json_answer(b'{"code":0,"message":null,"response":%s}' % token)
        if path.startswith("/payments?"):
            asked = [part.partition("=")[2] for part in path[10:].split("&") if part.startswith("imp_uid")]
            rows = b"[%s]" % b",".join(map(self.row, asked))
        else:
            rows = self.row(path.rpartition("/")[2])
        return json_answer(b'{"code":0,"message":null,"response":%s}' % rows)

    def row(self, imp_uid: str) -> bytes:
        """A payment's JSON."""
        return ROW % {b"imp_uid": imp_uid.encode(), b"now": int(time.time())}


@dataclass
class Arrivals:
    """The callbacks that a subscriber received: when each payment's first one came to each path (seconds of
    `perf_counter`, by path and `imp_uid` with a space between), the number of repeats, and one whole callback, to
    verify its signature."""

    at: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def came(self, imp_uid: str, path: str = "/0") -> float:
        """When a payment's first callback came to a path."""
        return self.at[f"{path} {imp_uid}"]

    def forget(self) -> None:
        """Forgets what has come."""
        self.at.clear()
        self.repeated = 0

    async def all_of(self, expected: set[str], within: float) -> bool:
        """Waits until these have come or `within` seconds have passed. Whether they have come."""
        ends = time.perf_counter() + within
        while len(self.at) < len(expected) or not expected <= self.at.keys():
            if time.perf_counter() > ends:
                return False
            await asyncio.sleep(0.005)
        return True


class SubscriberStandIn(_Server):
    """Answers 200 to every callback."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__()
        self._arrivals = arrivals

    def answer(self, head: bytes, body: bytes, /) -> bytes:
        found = _IMP_UID.search(body)
        assert found is not None
        name = f"{head.split(b' ', 2)[1].decode()} {found[1].decode()}"
        if name in self._arrivals.at:
            self._arrivals.repeated += 1
        else:
            self._arrivals.at[name] = time.perf_counter()
        if not self._arrivals.body:
            lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
            self._arrivals.headers = {name.lower(): value for name, _, value in lines}
            self._arrivals.body = body
        return json_answer(b"")


class HangingSubscriber(_Server):
    """Never answers a callback."""

    def answer(self, _head: bytes, _body: bytes, /) -> bytes:
        return b""


async def serve(
    server: Callable[..., _Server], arrivals: Arrivals | None = None, *, host: str = "127.0.0.1"
) -> tuple[int, asyncio.AbstractServer]:
    """Starts a stand-in on a free port; the port and the server to close."""
    args = () if arrivals is None else (arrivals,)
    listening = await asyncio.get_running_loop().create_server(lambda: server(*args), host, 0, backlog=2048)
    port: int = listening.sockets[0].getsockname()[1]
    return port, listening
