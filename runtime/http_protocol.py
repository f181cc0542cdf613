"""uvicorn's HTTP/1.1, for clients that offer to speak something else.

A client may offer another protocol with any request, with `Upgrade: h2c` or `Upgrade: websocket`; the JDK's HttpClient
does so with every first request over plain http. A server that does not want the protocol answers the request as if
nothing had been offered (RFC 9110, 7.8). httptools, however, stops parsing after the head of such a request, and
uvicorn then takes the body for the next request. So this class parses the head a second time without the offer, and
then the body.
"""

from __future__ import annotations

from collections.abc import Iterable

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFERS = frozenset({b"upgrade", b"http2-settings"})
"""Headers that make up an offer, and the words for them in `Connection`."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 and nothing else: other protocols that a request offers are ignored."""

    _is_offer = False

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived: feed the parser, and a new parser after each head with an offer."""
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        try:
            while self._stops(rest):
                rest = memoryview(rest)[self._stopped_at :]
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        """A head is complete; one with an offer is parsed a second time, without it."""
        self._is_offer = self.parser.should_upgrade()
        if not self._is_offer:
            self.on_request_begun()

    def on_message_complete(self) -> None:
        """A message is complete, or a head with an offer."""
        if not self._is_offer:
            self.on_request_complete()

    def on_request_begun(self) -> None:
        """A request's headers are complete."""
        super().on_headers_complete()

    def on_request_complete(self) -> None:
        """A request is complete."""
        super().on_message_complete()

    def _stops(self, data: bytes | memoryview) -> bool:
        """Feed the parser; True if it stopped after an offer, at `_stopped_at`. Raises `HttpParserError`."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._stopped_at: int = offer.args[0]
        else:
            return False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("This is no proxy")
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % header for header in _without_offer(self.headers)]
        self.parser = httptools.HttpRequestParser(self)
        # uvicorn sets this, too: bytes may follow a request that closes the connection.
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
