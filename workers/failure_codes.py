"""The reason code of an attempt that got no answer."""

from __future__ import annotations

import aiohttp

from runtime.network_errors import causes
from runtime.network_errors import reason_of as network_reason_of
from schemas.reasons import Reason
from workers.resolver import ForbiddenAddress

EXPECTED = (aiohttp.ClientError, OSError)

_STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError, ConnectionResetError, BrokenPipeError)


def reason_of(failure: BaseException) -> Reason:
    """The reason of a failure to connect, to send or to get an answer's head."""
    chain = list(causes(failure))
    for error in chain:
        found = _reason_of(error)
        if found is not None:
            return found
    return Reason.of("connection_failed", error_type=type(chain[-1]).__name__)


def was_stale(failure: BaseException) -> bool:
    """Whether a reused connection was closed before an answer began, or delivered bytes that are no answer, such as the
    rest of the previous one."""
    return any(isinstance(error, _STALE) for error in causes(failure))


def _reason_of(error: BaseException) -> Reason | None:
    if isinstance(error, ForbiddenAddress):
        return error.reason
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Reason.of("connection_closed" if isinstance(error.message, str) else "invalid_http_answer")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return Reason.of("invalid_http_answer")
    if isinstance(error, aiohttp.InvalidURL):
        return Reason.of("invalid_url")
    return network_reason_of(error)
