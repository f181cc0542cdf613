"""One request and its whole answer, with everything that can go wrong on the way told apart.

The distinction that matters is whether i'mport can have acted: a cancellation must never be sent again after it may
have arrived. `IamportUnreachable` says it cannot have; every other `IamportFailing` leaves it open.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp
import httpx

from runtime.network_errors import causes, reason_of
from schemas.errors import IamportFailing, IamportUnreachable, TooMuchAsked
from schemas.reasons import Reason

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer, decompressed. i'mport writes Korean as ``\\uXXXX``: what a buyer wrote comes twice as long."""
_CONNECT_WITHIN = 5.0
_CONNECTED_WITHIN = 8.0  # with the wait for a free connection; below 10 s, so that nothing was sent is still known
_LONGEST_WAIT = 86400.0
_BEGINS = 4096
_PROXY_ASKS = Reason.of("proxy_credentials_refused")
# Of several encodings, or one that packs tighter, a few bytes could become gigabytes before anybody counts them.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What i'mport answered: ``retry_after`` in seconds where it said one, ``body`` decoded but not parsed."""

    status_code: int
    body: bytes = field(repr=False)
    retry_after: float | None = None


async def exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> HttpResponse:
    """Sends ``request`` and reads its answer, at most `LARGEST_ANSWER` bytes.

    Raises `IamportUnreachable` when no connection came about, `IamportFailing` when it broke after that or the
    answer is not HTTP, `TooMuchAsked` when the answer is too large or broke off. The caller limits the time.
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
    return HttpResponse(response.status_code, body, retry_after(response.headers.get("retry-after"), time.time()))


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
        if size > LARGEST_ANSWER:
            reason = Reason.of("iamport_answer_too_long", bytes=LARGEST_ANSWER)
            raise TooMuchAsked(reason, slow=False, begins=bytes(begins))
        chunks.append(chunk)
    return b"".join(chunks)


def _failed(error: Exception) -> IamportFailing:
    """What it means that no answer came."""
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
    # httpx-aiohttp calls a refused connection and one that broke after the request was sent ConnectTimeout alike.
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientError):
        return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol)


def _reason(error: Exception) -> Reason:
    found = (reason_of(cause) for cause in causes(error))
    odd = Reason.of("connection_error", error=type(error.__cause__ or error).__name__)
    return next((reason for reason in found if reason is not None), odd)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from a ``Retry-After`` header (RFC 9110: seconds or a date), within 0 and a day.

    None where there is none or it cannot be read. ``now`` is in UNIX seconds.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now
    return min(max(seconds, 0.0), _LONGEST_WAIT)
