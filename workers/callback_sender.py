"""One attempt to deliver one callback: sends the request and returns an `AttemptResult`, whatever happens."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import Callable, Iterable, Mapping

import aiohttp
import structlog
from yarl import URL

from schemas.endpoints.delivery import AttemptResult
from schemas.endpoints.egress import Network, check_url
from schemas.endpoints.endpoint import request_target
from schemas.errors import Invalid
from schemas.reasons import Reason
from schemas.times import parse_retry_after
from workers.callback_connections import AttemptProgress, attempt_progress
from workers.callback_transport import CallbackTransport
from workers.failure_codes import EXPECTED, reason_of, was_stale

MOST_READ = 16 * 1024
"""Bytes of an answer's body that are read; then the connection is closed."""
MOST_KEPT = 1024
"""Bytes of an answer's body that are kept for operators."""
MOST_URLS = 10_000

# An endpoint may echo the headers of its request. Any header but these could be a secret of its operator.
_KNOWN_HEADERS = frozenset(
    (
        "accept",
        "accept-encoding",
        "content-type",
        "traceparent",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    )
)
_KOREAN = frozenset(("euc-kr", "cp949", "ms949", "ks_c_5601-1987", "x-windows-949"))

log = structlog.get_logger()


class CallbackSender:
    """Sends callbacks through a transport, which decides about addresses, proxies and connections."""

    def __init__(
        self,
        transport: CallbackTransport,
        *,
        allowed_networks: Iterable[Network] = (),
        allow_private: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives UNIX seconds, for `Retry-After` dates only."""
        self._transport = transport
        self._networks = tuple(allowed_networks)
        self._allow_private = allow_private
        self._clock = clock
        self._urls: dict[str, URL] = {}

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> AttemptResult:
        """POST `body` and return the result. `timeout`, in seconds, is for everything from connecting to the
        answer's last byte. Never raises, except when the task is cancelled."""
        began = time.monotonic()
        response: aiohttp.ClientResponse | None = None
        error: Reason | None = None
        stale = False
        start = bytearray()
        progress = AttemptProgress()
        attempt_progress.set(progress)
        try:
            target = self._target(url)
            async with asyncio.timeout(timeout):
                response = await self._transport.post(target, headers, body)
                progress.status = response.status
                await _read(response, start)
        except TimeoutError:
            error = Reason.of("timed_out", timeout=timeout)
        except Invalid as refused:
            error = Reason.of("url_forbidden", refused.reason)
        except EXPECTED as failure:
            error = reason_of(failure)
            stale = progress.status is None and progress.reused and was_stale(failure)
        except Exception as failure:
            # A bug of ours or of a library must not look like a lost worker: it counts as a failed attempt.
            log.exception("send_crashed")
            error = Reason.of("internal_error", error_type=type(failure).__name__)
        duration = round((time.monotonic() - began) * 1000)
        if response is None:
            return AttemptResult(progress.status, error, None, duration, "", stale)
        return AttemptResult(
            response.status, error, self._retry_after(response), duration, _readable(start, response, headers)
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    def _target(self, url: str) -> URL:
        """The URL as it is requested, checked against the current settings, which may have changed since the endpoint
        was saved. Its path stays as it was written: any change would invalidate a signature in it. Raises
        `Invalid`."""
        found = self._urls.get(url)
        if found is None:
            checked = check_url(url, self._networks, self._allow_private)
            path = request_target(url).decode("ascii")
            found = URL.build(scheme=checked.scheme, authority=checked.netloc.decode("ascii"), path=path, encoded=True)
            if len(self._urls) >= MOST_URLS:
                self._urls.clear()
            self._urls[url] = found
        return found

    def _retry_after(self, response: aiohttp.ClientResponse) -> float | None:
        value = response.headers.get("retry-after")
        return None if value is None else parse_retry_after(value, self._clock())


async def _read(response: aiohttp.ClientResponse, into: bytearray) -> None:
    """Read the first bytes of the body. A body that breaks off is ignored: the status shows that the endpoint has
    already acted, and a retry would make it act twice."""
    try:
        async for part in response.content.iter_any():
            into += part[: MOST_READ - len(into)]
            if len(into) >= MOST_READ:
                break
    except (aiohttp.ClientError, OSError):
        pass
    finally:
        response.release()


def _readable(body: bytearray, response: aiohttp.ClientResponse, sent: Mapping[str, str]) -> str | Reason:
    """The first part of a body as text, or a reason if it is encoded; the operator's own headers are masked where the
    endpoint echoes them."""
    if not body:
        return ""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        return Reason.of("response_encoded", bytes=len(body), encoding=_writable(encoding[:20]))
    charset = response.charset
    decoder = codecs.getincrementaldecoder("cp949" if (charset or "").lower() in _KOREAN else "utf-8")("replace")
    # Cut after masking, or half of a secret could be left at the end.
    text = decoder.decode(body)
    for name, value in sent.items():
        if name.lower() not in _KNOWN_HEADERS:
            for part in (value, *value.split()):
                if len(part) >= 4:
                    text = text.replace(part, "***")
    return text.encode()[:MOST_KEPT].decode(errors="ignore")


def _writable(header: str) -> str:
    """The value of a header as text: aiohttp keeps bytes that are not text as halves of surrogate pairs."""
    return header.encode(errors="surrogateescape").decode(errors="replace")
