"""One attempt to deliver one callback: sends the request and returns an `AttemptResult`, whatever happens."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import Callable, Iterable, Mapping

import aiohttp
import httpx
import structlog

from schemas.endpoints.delivery import AttemptResult
from schemas.endpoints.egress import Network, check_url
from schemas.endpoints.endpoint import request_target
from schemas.errors import Invalid
from schemas.reasons import Reason
from schemas.times import parse_retry_after
from workers.callback_connections import AttemptProgress, attempt_progress
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
        transport: httpx.AsyncBaseTransport,
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
        self._urls: dict[str, tuple[httpx.URL, bytes]] = {}

    async def send(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> AttemptResult:
        """POST `body` and return the result. `timeout`, in seconds, is for everything from connecting to the
        answer's last byte. Never raises, except when the task is cancelled."""
        began = time.monotonic()
        response: httpx.Response | None = None
        error: Reason | None = None
        stale = False
        start = bytearray()
        progress = AttemptProgress()
        attempt_progress.set(progress)
        try:
            request = _request(*self._target(url), headers, body)
            async with asyncio.timeout(timeout):
                response = await self._transport.handle_async_request(request)
                progress.status = response.status_code
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
            log.exception("send_broke")
            error = Reason.of("internal_error", error_type=type(failure).__name__)
        duration = round((time.monotonic() - began) * 1000)
        if response is None:
            return AttemptResult(progress.status, error, None, duration, "", stale)
        return AttemptResult(
            response.status_code, error, self._retry_after(response), duration, _readable(start, response, headers)
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _target(self, url: str) -> tuple[httpx.URL, bytes]:
        """The parsed URL and its request target, checked against the current settings, which may have changed since
        the endpoint was saved. Raises `Invalid`."""
        checked = self._urls.get(url)
        if checked is None:
            checked = check_url(url, self._networks, self._allow_private), request_target(url)
            if len(self._urls) >= MOST_URLS:
                self._urls.clear()
            self._urls[url] = checked
        return checked

    def _retry_after(self, response: httpx.Response) -> float | None:
        value = response.headers.get("retry-after")
        return None if value is None else parse_retry_after(value, self._clock())


def _request(url: httpx.URL, target: bytes, headers: Mapping[str, str], body: bytes) -> httpx.Request:
    """A POST that leaves `host` and `content-length` to aiohttp: adding them in httpx takes five times as long, because
    it detects the encoding of every header again."""
    request = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body), extensions={"target": target})
    request.headers.encoding = "ascii"
    request.read()
    return request


async def _read(response: httpx.Response, into: bytearray) -> None:
    """Read the first bytes of the body. A body that breaks off is ignored: the status shows that the endpoint has
    already acted, and a retry would make it act twice."""
    try:
        async for part in response.aiter_raw():
            into += part[: MOST_READ - len(into)]
            if len(into) >= MOST_READ:
                break
    except (httpx.TransportError, aiohttp.ClientError):
        pass
    finally:
        await response.aclose()


def _readable(body: bytearray, response: httpx.Response, sent: Mapping[str, str]) -> str | Reason:
    """The first part of a body as text, or a reason if it is encoded; the operator's own headers are masked where the
    endpoint echoes them."""
    if not body:
        return ""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        return Reason.of("response_encoded", bytes=len(body), encoding=encoding[:20])
    charset = response.charset_encoding
    decoder = codecs.getincrementaldecoder("cp949" if (charset or "").lower() in _KOREAN else "utf-8")("replace")
    # Cut after masking, or half of a secret could be left at the end.
    text = decoder.decode(body)
    for name, value in sent.items():
        if name.lower() not in _KNOWN_HEADERS:
            for part in (value, *value.split()):
                if len(part) >= 4:
                    text = text.replace(part, "***")
    return text.encode()[:MOST_KEPT].decode(errors="ignore")
