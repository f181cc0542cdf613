"""Send one request and read its whole answer, or raise an error that shows what went wrong.

Callers must know whether i'mport may have acted: a cancellation must never be sent again once it may have arrived.
`IamportUnreachable` means that i'mport has not acted; after any other `IamportFailing` it may have.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import aiohttp
import httpx

from runtime.network_errors import causes, reason_of
from schemas.errors import IamportFailing, IamportUnreachable, TooMuchAsked
from schemas.reasons import Reason
from schemas.times import parse_retry_after

LARGEST_RESPONSE = 16 * 1024 * 1024
"""The most bytes of an answer, decompressed. i'mport writes Korean as ``\\uXXXX``, six bytes per letter."""
_CONNECT_WITHIN = 5.0
_CONNECTED_WITHIN = (
    8.0  # including the wait for a free connection; below the 10 s of a call, so that it is known that nothing was sent
)
_LONGEST_WAIT = 86400.0
_BEGINS = 4096
_PROXY_ASKS = Reason.of("proxy_credentials_refused")
# Other encodings, or several at once, could turn a few bytes into gigabytes before they are counted.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP answer of i'mport: ``retry_after`` in seconds or None, ``body`` decompressed but not parsed."""

    status_code: int
    body: bytes = field(repr=False)
    retry_after: float | None = None


async def exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> HttpResponse:
    """Sends ``request`` and reads its answer, at most `LARGEST_RESPONSE` bytes.

    Raises `IamportUnreachable` if no connection was made, `IamportFailing` if it broke later or the answer is not HTTP,
    `TooMuchAsked` if the answer is too large or was cut off. The caller limits the time.
    """
    request.extensions["timeout"] = {"connect": _CONNECT_WITHIN, "pool": _CONNECTED_WITHIN}
    try:
        response = await transport.handle_async_request(request)
        try:
            body = await _read(response)
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            raise TooMuchAsked(Reason.of("iamport_answer_broke_off", _reason(error)), slow=True) from None
        finally:
            await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError, OSError, ValueError) as error:
        raise _failed(error) from None
    if response.status_code == 407:
        raise IamportUnreachable(_PROXY_ASKS)
    return HttpResponse(response.status_code, body, _retry_after(response.headers.get("retry-after")))


async def _read(response: httpx.Response) -> bytes:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise IamportFailing(Reason.of("iamport_answer_encoded"))
    chunks: list[bytes] = []
    begins = bytearray()
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        begins += chunk[: _BEGINS - len(begins)]
        if size > LARGEST_RESPONSE:
            reason = Reason.of("iamport_answer_too_long", bytes=LARGEST_RESPONSE)
            raise TooMuchAsked(reason, slow=False, begins=bytes(begins))
        chunks.append(chunk)
    return b"".join(chunks)


def _failed(error: Exception) -> IamportFailing:
    """The error to raise if no answer came."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        # The proxy's answer to CONNECT: nothing has been sent to i'mport yet.
        return IamportUnreachable(
            _PROXY_ASKS if cause.status == 407 else Reason.of("proxy_status", status=cause.status)
        )
    if isinstance(cause, aiohttp.ClientProxyConnectionError):
        return IamportUnreachable(Reason.of("proxy_unreachable", _reason(error)))
    if _never_connected(error):
        return IamportUnreachable(Reason.of("iamport_unreachable", _reason(error)))
    return IamportFailing(Reason.of("iamport_answer_cut", _reason(error)))


def _never_connected(error: Exception) -> bool:
    # httpx-aiohttp raises ConnectTimeout for a refused connection as well as for one that broke after the request.
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientError):
        return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol)


def _reason(error: Exception) -> Reason:
    found = (reason_of(cause) for cause in causes(error))
    odd = Reason.of("connection_error", error=type(error.__cause__ or error).__name__)
    return next((reason for reason in found if reason is not None), odd)


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait, a day at most; None if the header is missing or unreadable."""
    seconds = None if header is None else parse_retry_after(header, time.time())
    return None if seconds is None else min(seconds, _LONGEST_WAIT)
