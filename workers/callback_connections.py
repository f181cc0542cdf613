"""The connections that callbacks are sent over: for how long they are kept, and what is known of the answer coming in.

aiohttp gives an answer once its head has been parsed. A subscriber's answer counts from its status line on, whatever is
wrong with the rest, so the head is kept beside aiohttp's parser until that has parsed it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES
from aiohttp.http_exceptions import BadHttpMessage

MOST_HEAD = 72 * 1024
"""Bytes of an answer's head that are read: 64 KiB of headers, the status line, and interim answers before it."""

_STATUS_LINE = re.compile(rb"[\r\n]*HTTP/\d\.\d (\d{3})(?: [^\r\n]*)?\r?\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")


@dataclass(slots=True)
class Seen:
    """What is known of one attempt even where it brings no whole answer: `reused`, it went over a connection that had
    carried others; `status`, the answer's status where its status line has come."""

    reused: bool = False
    status: int | None = None


attempt_seen: ContextVar[Seen] = ContextVar("attempt_seen")
"""Of the request that is under way in this task."""


def final_status(head: bytes | bytearray) -> int | None:
    """The status of the answer that begins with `head`, past interim answers (RFC 9110 §15.2); None as long as its
    status line is not whole, or where there is none."""
    at = 0
    while (line := _STATUS_LINE.match(head, at)) is not None:
        status = int(line[1])
        if not _is_interim(status):
            return status
        end = _BLANK_LINE.search(head, line.end() - 1)
        if end is None:
            return None
        at = end.end()
    return None


def _is_interim(status: int) -> bool:
    return 100 <= status < 200 and status != 101


class CallbackConnection(ResponseHandler):
    """aiohttp's side of one connection. It is used until `ends` on `clock`, and takes `MOST_HEAD` bytes of a head."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ends: float, clock: Callable[[], float]) -> None:
        super().__init__(loop)
        self._ends = ends
        self._clock = clock
        self._head: bytearray | None = None
        self._status: int | None = None

    @property
    def status(self) -> int | None:
        """The status of the latest answer, as soon as its status line has come."""
        return self._status if self._head is None else final_status(self._head)

    def is_connected(self) -> bool:
        """Whether another request may be sent over it. A name can come to lead elsewhere, however busy its endpoint
        is."""
        return super().is_connected() and self._clock() < self._ends

    def set_response_params(self, **params: Any) -> None:
        """A request is about to be sent."""
        self._head, self._status = bytearray(), None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """More of an answer, or unrequested bytes, which would count as the next answer."""
        if self._head is not None:
            self._head += data
        elif data and self._status is not None and (self._payload is None or self._payload.is_eof()):
            self.abort()
            return
        super().data_received(data)
        if self._head is not None and len(self._head) > MOST_HEAD and self.transport is not None:
            self.set_exception(BadHttpMessage("the head is too long"))
            self.transport.abort()

    def feed_data(self, data: tuple[Any, Any], size: int = 0) -> None:
        """aiohttp has parsed a head."""
        message, _ = data
        if not _is_interim(message.code):
            self._head, self._status = None, message.code
            if message.code in EMPTY_BODY_STATUS_CODES and (message.chunked or _length(message) != "0"):
                self.force_close()  # what follows is not the next answer
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The connection is of no use any more. aiohttp lets whoever reads a body wait where its framing breaks."""
        super().set_exception(exc, *cause)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("the answer broke off"))


def _length(message: Any) -> str:
    length: str = message.headers.get("content-length", "0")
    return length.strip()


class CallbackConnector(aiohttp.TCPConnector):
    """aiohttp's pool, of `CallbackConnection`s that are used for `longest_kept` seconds of `clock` at most."""

    def __init__(self, *, longest_kept: float, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(**options)
        self._longest_kept = longest_kept
        self._clock = clock
        self._factory = self._begin  # type: ignore[assignment]

    def _begin(self) -> CallbackConnection:
        return CallbackConnection(self._loop, self._clock() + self._longest_kept, self._clock)


class CallbackAnswer(aiohttp.ClientResponse):
    """Notes the status in `attempt_seen`, also where the rest of the head never comes or cannot be parsed."""

    async def start(self, connection: aiohttp.connector.Connection) -> Self:
        """Read the head."""
        protocol = connection.protocol
        try:
            await super().start(connection)
        finally:
            if isinstance(protocol, CallbackConnection):
                attempt_seen.get().status = protocol.status
        return self
