"""uvicorn's HTTP/1.1, for clients that offer to speak something else.

A client may offer another protocol with any request (`Upgrade: h2c`, as the JDK's HttpClient does with every first
request over plain http; `Upgrade: websocket`). A server that does not want it answers the request as if nothing had
been offered (RFC 9110, 7.8). httptools leaves off behind the head of such a request instead, and uvicorn then takes its
body for the next request. So the head is parsed once more, without the offer, and the body follows it.
"""

from __future__ import annotations

from collections.abc import Iterable

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFERS = frozenset({b"upgrade", b"http2-settings"})
"""Headers that make up an offer, and the words for them in `Connection`."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 and nothing else: whatever else is offered with a request is passed over."""

    _is_offer = False

    def data_received(self, data: bytes) -> None:
        """Bytes have come: feed the parser, with a new one behind each head that has an offer."""
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        try:
            while self._leaves_off(rest):
                rest = memoryview(rest)[self._left_off_at :]
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """A head is there; one with an offer comes once more, without it."""
        self._is_offer = self.parser.should_upgrade()
        if not self._is_offer:
            self.on_request_begun()

    def on_message_complete(self) -> None:
        """A message is there whole, or a head with an offer."""
        if not self._is_offer:
            self.on_request_complete()

    def on_request_begun(self) -> None:
        """A request's headers are there."""
        super().on_headers_complete()

    def on_request_complete(self) -> None:
        """A request is there whole."""
        super().on_message_complete()

    def _leaves_off(self, data: bytes | memoryview) -> bool:
        """Feed the parser; whether it left off behind an offer, at `_left_off_at`. Raises `HttpParserError`."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._left_off_at: int = offer.args[0]
        else:
            return False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("This is no proxy")
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % header for header in _without_offer(self.headers)]
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn has it: a client may have more to say behind a request that closes the connection.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))
        return True


def _without_offer(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """The headers of a request (names in lower case) as if nothing had been offered with it."""
    for name, value in headers:
        if name == b"connection":
            kept = [word.strip() for word in value.split(b",") if word.strip().lower() not in _OFFERS]
            if kept:
                yield name, b", ".join(kept)
        elif name not in _OFFERS:
            yield name, value
