"""A connection that does not trust its client: uvicorn's HTTP/1.1 with limits on time, headers and discarded bytes.

uvicorn limits only the time between requests, and llhttp does not limit headers: a client that sends a byte a minute,
or endless headers, would be served for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from receiver import responses
from runtime.http_protocol import HttpProtocol

READ_SECONDS = 15.0
"""From the first byte of a request (or from connecting) to its last."""
IDLE_SECONDS = 75
"""Between two requests: longer than the 60 s for which proxies usually keep a connection."""
ANSWER_SECONDS = 60.0
"""For an answer, and for the client to take it."""
HEAD_BYTES = 32_768
HEADERS = 100
DISCARDED_BYTES = 1 << 20
"""How much of a refused body is read and discarded, so that the client can read the answer."""
CONNECTIONS = 8192


class _AnswerWriter:
    """Writes answers to the connection, one after the other. uvicorn writes an answer's head before its body: here the
    head waits for the body, so that both take one packet and one system call."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Hold back a head, and write it with the bytes that follow it. An interim answer (`100 Continue`) is written
        at once."""
        if self._head or not data.startswith(b"HTTP/") or data.startswith(b"HTTP/1.1 100 "):
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._head = data

    def flush(self) -> None:
        """Write the head of an answer without a body."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Close the connection once all is written."""
        self.flush()
        self._transport.close()


class Connection(HttpProtocol):
    """One client's connection. `sweep` ends those that have taken too long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A client has connected; beyond `CONNECTIONS` it gets a 503."""
        super().connection_made(transport)
        self._answers = _AnswerWriter(transport)
        self._since = self.loop.time()
        self._requests = 0
        self._heads = 0
        self._reading = True
        self._in_head = True
        self._head_bytes = 0
        self._discarded = 0
        if len(self.connections) > CONNECTIONS:
            self._end(responses.TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived; an endless head is refused. Bytes that arrived in the same read as its first byte do not
        count: they may belong to other requests."""
        if self.transport.is_closing():
            return
        heads = self._heads
        super().data_received(data)
        if self._in_head and self._heads == heads:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._end(responses.HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._since = self.loop.time()
        self._heads += 1
        self._reading = self._in_head = True
        self._head_bytes = self._discarded = 0

    def on_request_begun(self) -> None:
        """A request's headers are complete."""
        if len(self.headers) > HEADERS:
            self._end(responses.HEADERS_TOO_LARGE)
            return
        super().on_request_begun()
        self.cycle.transport = self._answers  # type: ignore[assignment]  # a cycle uses nothing else of a transport
        self._in_head = False
        self._requests += 1

    def on_body(self, body: bytes) -> None:
        """A part of a body has arrived; after an early answer it is discarded."""
        if self._idle:
            self._discarded += len(body)
            if self._discarded > DISCARDED_BYTES:
                self.transport.abort()
            return
        super().on_body(body)

    def on_request_complete(self) -> None:
        """A request is complete."""
        self._reading = False
        self._since = self.loop.time()
        if not self._idle:
            super().on_request_complete()

    def on_response_complete(self) -> None:
        """An answer is complete; one to `HEAD` has no body."""
        self._answers.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP with a problem, as all errors here are."""
        del msg  # uvicorn's own text
        self._end(responses.NOT_HTTP)

    def end_if_expired(self, now: float) -> None:
        """End this connection if it has taken too long; `now` is the loop's time."""
        waited = now - self._since
        if self._reading and waited > READ_SECONDS:
            self._end(responses.TOO_SLOW)
        elif waited > (IDLE_SECONDS if self._idle else ANSWER_SECONDS):
            self.transport.abort()

    @property
    def _idle(self) -> bool:
        """No request waits for its answer."""
        return not self._requests or self.cycle.response_complete

    def _end(self, answer: responses.AsgiResponse) -> None:
        """Close the connection. Send this answer first, unless another one is under way or was just given."""
        if self.transport.is_closing():
            return
        if self._idle and (self._in_head or not self._requests):
            self.transport.write(responses.raw(answer))
            self.transport.close()
        else:
            self.transport.abort()


def end_expired(connections: Iterable[Any], now: float) -> None:
    """End the connections that have taken too long."""
    for connection in list(connections):
        if isinstance(connection, Connection):
            connection.end_if_expired(now)
