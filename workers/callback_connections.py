"""The connections that callbacks are sent over: how long they are used, and which status an unfinished answer has.

aiohttp returns an answer only when it has parsed the whole head. A subscriber's answer counts as soon as its status
line has arrived, even if the rest is invalid, so a copy of the head is kept until aiohttp has parsed it.
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
class AttemptProgress:
    """What is known of an attempt even if its answer never completes. `reused`: its connection had carried an earlier
    request. `status`: the answer's status, None until its status line has arrived."""

    reused: bool = False
    status: int | None = None


attempt_progress: ContextVar[AttemptProgress] = ContextVar("attempt_progress")
"""The progress of the attempt that the current task makes."""


def final_status(head: bytes | bytearray) -> int | None:
    """The status of the answer that begins with `head`, after any interim answers (RFC 9110 §15.2); None if its status
    line is incomplete or invalid."""
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
    """One connection. No request is sent over it after `expires_at` (on `clock`)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expires_at: float, clock: Callable[[], float]) -> None:
        super().__init__(loop)
        self._expires_at = expires_at
        self._clock = clock
        self._head: bytearray | None = None
        self._status: int | None = None

    @property
    def status(self) -> int | None:
        """The status of the latest answer, as soon as its status line has arrived."""
        return self._status if self._head is None else final_status(self._head)

    def is_connected(self) -> bool:
        """Whether another request may use the connection. It expires even while busy, so that a changed DNS name takes
        effect."""
        return super().is_connected() and self._clock() < self._expires_at

    def set_response_params(self, **params: Any) -> None:
        """Prepare for the answer to the next request."""
        self._head, self._status = bytearray(), None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Read more of an answer; abort on unrequested bytes, which would be taken for the next answer."""
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
        """Keep the status of a head that aiohttp has parsed, and drop the copy of the head."""
        message, _ = data
        if not _is_interim(message.code):
            self._head, self._status = None, message.code
            if message.code in EMPTY_BODY_STATUS_CODES and (message.chunked or _length(message) != "0"):
                self.force_close()  # the bytes that follow are not the next answer
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Fail the body that is being read, too: aiohttp would let its reader wait forever after a framing error."""
        super().set_exception(exc, *cause)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("the answer broke off"))


def _length(message: Any) -> str:
    length: str = message.headers.get("content-length", "0")
    return length.strip()


class CallbackConnector(aiohttp.TCPConnector):
    """aiohttp's pool of connections, each of which is used for `longest_kept` seconds of `clock` at most."""

    def __init__(self, *, longest_kept: float, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(**options)
        self._longest_kept = longest_kept
        self._clock = clock
        self._factory = self._new_connection  # type: ignore[assignment]

    def _new_connection(self) -> CallbackConnection:
        return CallbackConnection(self._loop, self._clock() + self._longest_kept, self._clock)


class CallbackAnswer(aiohttp.ClientResponse):
    """Records the status in `attempt_progress`, even if the rest of the head never arrives or cannot be parsed."""

    async def start(self, connection: aiohttp.connector.Connection) -> Self:
        """Read the head; record its status."""
        protocol = connection.protocol
        try:
            await super().start(connection)
        finally:
            if isinstance(protocol, CallbackConnection):
                attempt_progress.get().status = protocol.status
        return self
