"""Why an attempt brought no answer, in short words that stay the same from version to version.

httpx-aiohttp maps aiohttp's errors to httpx's, and not always to the fitting one (a dropped connection becomes a
`ConnectTimeout`), so the error that caused it is what counts.
"""

from __future__ import annotations

import aiohttp
import httpx

from runtime.network_errors import causes, words
from workers.resolver import ForbiddenAddress

EXPECTED = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)

_SPOILT = (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError, ConnectionResetError, BrokenPipeError)


def in_words(failure: BaseException) -> str:
    """What to tell people about a failure to connect, send or get an answer's head."""
    chain = list(causes(failure))
    for error in chain:
        found = _words(error)
        if found is not None:
            return found
    return f"failed: {type(chain[-1]).__name__}"


def was_spoilt(failure: BaseException) -> bool:
    """Whether a kept connection went away before any of an answer came, or brought what is none: what is left of the
    answer before, say."""
    return any(isinstance(error, _SPOILT) for error in causes(failure))


def _words(error: BaseException) -> str | None:
    if isinstance(error, ForbiddenAddress):
        return str(error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "connection closed without an answer" if isinstance(error.message, str) else "invalid HTTP answer"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return "invalid HTTP answer"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | aiohttp.InvalidURL):
        return "invalid URL"
    return words(error)
