"""Why an attempt brought no answer, in short words that stay the same from version to version.

httpx-aiohttp maps aiohttp's errors to httpx's, and not always to the fitting one (a dropped connection becomes a
`ConnectTimeout`), so the error that caused it is what counts.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

import aiohttp
import httpx

from workers.resolver import ForbiddenAddress

EXPECTED = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)

_SPOILT = (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError, ConnectionResetError, BrokenPipeError)

_OS_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer to connecting",
}
_DNS_WORDS = {
    socket.EAI_NONAME: "no such host",
    socket.EAI_AGAIN: "no answer from the name servers",
}


def in_words(failure: BaseException) -> str:
    """What to tell people about a failure to connect, send or get an answer's head."""
    chain = list(_causes(failure))
    for error in chain:
        words = _words(error)
        if words is not None:
            return words
    return f"failed: {type(chain[-1]).__name__}"


def was_spoilt(failure: BaseException) -> bool:
    """Whether a kept connection went away before any of an answer came, or brought what is none: what is left of the
    answer before, say."""
    return any(isinstance(error, _SPOILT) for error in _causes(failure))


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """The failure's causes, the innermost first: it knows best."""
    chain: list[BaseException] = []
    error: BaseException | None = failure
    while error is not None and error not in chain:
        chain.append(error)
        inner = error.__cause__
        if inner is None and isinstance(error, aiohttp.ClientConnectorError):
            inner = error.os_error
        error = inner
    return reversed(chain)


def _words(error: BaseException) -> str | None:
    if isinstance(error, ForbiddenAddress):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return "TLS: " + _lower(error.verify_message.rstrip("."))
    if isinstance(error, ssl.SSLError):
        return "TLS: " + (error.reason or "handshake failed").replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return "DNS: " + _DNS_WORDS.get(error.errno or 0, "no usable address")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "connection closed without an answer" if isinstance(error.message, str) else "invalid HTTP answer"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return "invalid HTTP answer"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | aiohttp.InvalidURL):
        return "invalid URL"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "connection reset"
    if isinstance(error, OSError) and error.errno:
        return _OS_WORDS.get(error.errno, os.strerror(error.errno).lower())
    return None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
