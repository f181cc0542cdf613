"""Subscribers on real sockets: one that records every callback, and one with a behaviour of `tests.workers.catalogue`.

async with Subscriber(CATALOGUE["gone"]) as subscriber:
    ... deliver to subscriber.url; subscriber.requests is what came
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from standardwebhooks import Webhook

from schemas import wire
from tests.support.http_server import Connection, HttpServer, Request, read_request

Outcome = Literal["delivered", "again", "disable"]
Play = Callable[[Connection], Awaitable[None]]


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


class _Endpoint(HttpServer):
    @property
    def url(self) -> str:
        """Where callbacks go."""
        return f"{super().url}/hook"


class Subscriber(_Endpoint):
    """Plays `behaviour` for the first `times` requests (all, when None), then answers 200."""

    def __init__(
        self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0,
        times: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(tls=tls, host=host, port=port)
        self.behaviour = behaviour
        self.times = times

    async def serve(self, connection: Connection) -> None:
        """Play; a behaviour may leave the request unread."""
        while connection.keep:
            behaviour = self.behaviour
            if self.times is not None and len(self.requests) >= self.times:
                behaviour = _HEALED
            if behaviour.reads:
                self.requests.append(await read_request(connection.reader))
            else:
                connection.keep = False
            await behaviour.play(connection)


class RecordingSubscriber(_Endpoint):
    """Records every callback, and answers as `reply` says: 200 at once unless it is changed."""

    def __init__(self) -> None:
        super().__init__()
        self.reply: Callable[[int], tuple[int, float]] = lambda _count: (200, 0)
        """Gives the status and how many seconds to take for the n-th request, counted from 1."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of the callbacks so far, parsed, in the order they came."""
        return [wire.loads(request.body) for request in self.requests]

    def types(self, imp_uid: str | None = None) -> list[str]:
        """The types of the callbacks so far, of one payment or of all, without their prefix."""
        return [
            event["type"].removeprefix("payment.")
            for event in self.events
            if imp_uid is None or event["data"]["imp_uid"] == imp_uid
        ]

    def verify(self, secret: str) -> None:
        """Check every signature with the reference library; it raises for a wrong one."""
        for request in self.requests:
            Webhook(secret).verify(request.body, request.headers)

    async def answer(self, request: Request, connection: Connection) -> None:
        """Answer as `reply` says."""
        status, seconds = self.reply(len(self.requests))
        await asyncio.sleep(seconds)
        await connection.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())


async def _ok(connection: Connection) -> None:
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


_HEALED = Behaviour("healed", _ok, "delivered", 200)
