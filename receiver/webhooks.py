"""POST /webhooks: parse, accept, answer. This is the receiver's hot path, so it is plain ASGI.

docs/iamport.md explains each answer. i'mport does not send again after a 4xx, so 4xx answers are counted, a 400 with
its likely reason.
"""

from __future__ import annotations

import random
import re
import time
from typing import Any
from urllib.parse import unquote_to_bytes

from receiver import responses
from receiver.acceptor import Acceptor
from receiver.interfaces import Place
from receiver.known_merchants import OTHERS, KnownMerchants
from receiver.limiter import RateLimiter
from receiver.metrics import ReceiverMetrics
from receiver.responses import AsgiResponse
from receiver.source_address import Source, SourceAddresses
from receiver.webhook_log import WebhookLog
from receiver.webhook_trace import WebhookTrace
from runtime.tracing import Tracer
from schemas.errors import BadNotification, SpoolUnavailable, UnknownMerchant, UnsupportedContentType
from schemas.payments.body_reasons import BodyReason
from schemas.payments.notification import Notification, WebhookFields, new_id, parse
from schemas.reasons import Reason
from schemas.webhook_address import DEFAULT_MERCHANT, LONGEST_TOKEN_IN_PATH, MERCHANT_NAME, token_hash

_MERCHANT = re.compile(MERCHANT_NAME.encode())
_COUNTED = (400, 403, 404, 405, 413, 415, 429)


class WebhookHandler:
    """The webhook endpoint."""

    def __init__(
        self,
        acceptor: Acceptor,
        sources: SourceAddresses,
        limiter: RateLimiter,
        merchants: KnownMerchants,
        metrics: ReceiverMetrics,
        webhook_log: WebhookLog,
        rng: random.Random,
        tracer: Tracer | None = None,
    ) -> None:
        self._acceptor = acceptor
        self._sources = sources
        self._limiter = limiter
        self._merchants = merchants
        self._metrics = metrics
        self._log = webhook_log
        self._rng = rng
        self._tracer = tracer

    async def __call__(self, scope: Any, receive: Any, path: list[bytes]) -> AsgiResponse | None:
        """The answer to a webhook that is posted to `/webhooks/` and this path; None when the client has left."""
        started = time.perf_counter()
        head = _Head(scope["headers"])
        source = self._sources.of(scope["client"], head.forwarded)
        target = _target(path)
        if target is None:
            return self._refuse(responses.NO_SUCH_MERCHANT, OTHERS, source)
        merchant, token_hash = target
        if (refusal := self._refused_unread(source, head)) is not None:
            return self._refuse(refusal, merchant, source)
        body = await _read(receive)
        if body is None:
            return None
        if len(body) > responses.MOST_BYTES:
            return self._refuse(responses.TOO_LARGE, merchant, source)
        try:
            fields = parse(body, head.content_type.decode("latin-1"))
        except UnsupportedContentType:
            return self._refuse(responses.OTHER_CONTENT_TYPE, merchant, source)
        except BadNotification as error:
            unusable = Reason.of("webhook_unusable", error.reason)
            return self._refuse(responses.problem(400, unusable), merchant, source, error.code)
        trace = None
        if self._tracer is not None:
            # A limited source must not have everything traced: for it the sampler decides, not its traceparent.
            caller = "" if source.limited and token_hash is None else head.traceparent
            trace = WebhookTrace.begin(self._tracer, caller, started, merchant, fields.imp_uid)
        notification = self._notification(fields, target, source, "" if trace is None else trace.traceparent)
        answer, place = await self._accept(notification, source)
        if place is not None:
            self._metrics.accept(place, time.perf_counter() - started)
            self._log.accepted(notification, place)
        if trace is not None:
            trace.end(answer.status, notification.id, place)
        return answer

    def _notification(
        self, fields: WebhookFields, target: tuple[str, str | None], source: Source, traceparent: str
    ) -> Notification:
        """The notification to store: what the body says, from where it came, and for whom."""
        merchant, token_hash = target
        return Notification(
            id=new_id(time.time(), self._rng),
            merchant=merchant,
            imp_uid=fields.imp_uid,
            merchant_uid=fields.merchant_uid,
            status=fields.status,
            cancellation_id=fields.cancellation_id,
            source=source.address,
            # If the token is not the merchant's, the ledger refuses it, now or when the spool drains.
            verified=source.verified or token_hash is not None,
            received_at=None,
            extra=fields.extra,
            token_hash=token_hash,
            traceparent=traceparent,
        )

    async def _accept(self, notification: Notification, source: Source) -> tuple[AsgiResponse, Place | None]:
        """Store a notification; return the answer, and where it is stored, None for nowhere."""
        try:
            place = await self._acceptor.accept(notification, "" if source.iamport else source.budget)
        except UnknownMerchant:
            return self._refuse(responses.NO_SUCH_MERCHANT, notification.merchant, source), None
        except SpoolUnavailable:
            return self._refuse(responses.UNAVAILABLE, notification.merchant, source), None
        return responses.accepted(notification.id), place

    async def no_such_path(self, scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
        """The answer where there is no route. Scanners try all kinds of paths. But a POST from i'mport is a webhook
        with a wrong address, and it is lost."""
        if scope["method"] == "POST":
            return self._lost(responses.NO_SUCH_PATH, scope, OTHERS)
        return responses.NO_SUCH_PATH

    async def not_posted(self, scope: Any, _receive: Any, path: list[bytes]) -> AsgiResponse:
        """The answer to methods other than POST. A proxy that redirects, from http to https or to another name, turns a
        POST into a GET. So a GET from i'mport is a webhook, and it is lost."""
        target = _target(path)
        return self._lost(responses.POST_ONLY, scope, target[0] if target else OTHERS)

    def _lost(self, answer: AsgiResponse, scope: Any, merchant: str) -> AsgiResponse:
        """The answer to a request that may have been a webhook. If its source is verified, it counts as refused."""
        source = self._sources.of(scope["client"], _Head(scope["headers"]).forwarded)
        return self._refuse(answer, merchant, source) if source.verified else answer

    def _refused_unread(self, source: Source, head: _Head) -> AsgiResponse | None:
        """The answer to a webhook that is refused before its body is read; None for others."""
        if not source.allowed:
            return responses.FORBIDDEN
        if source.limited and not self._limiter.admits(source.budget, time.monotonic()):
            return responses.TOO_MANY
        if head.length > responses.MOST_BYTES:
            return responses.TOO_LARGE
        if head.encoded:
            return responses.ENCODED
        return None

    def _refuse(
        self, answer: AsgiResponse, merchant: str, source: Source, reason: BodyReason | None = None
    ) -> AsgiResponse:
        label = self._merchants.label(merchant)
        if answer.status in _COUNTED:
            self._metrics.refuse(label, answer.status, reason)
        elif answer is responses.UNAVAILABLE:
            self._metrics.unavailable.add()
        self._log.refused(label, answer.status, source.address, reason)
        return answer


class _Head:
    """The headers that matter here."""

    __slots__ = ("content_type", "encoded", "forwarded", "length", "traceparent")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.content_type = b""
        self.forwarded = b""
        self.length = 0
        self.encoded = False
        self.traceparent = ""
        for name, value in headers:
            if name == b"content-type":
                self.content_type = value
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"x-forwarded-for":
                self.forwarded = self.forwarded + b"," + value if self.forwarded else value
            elif name == b"content-encoding":
                self.encoded = value.strip().lower() not in (b"", b"identity")
            elif name == b"traceparent":
                self.traceparent = value.decode("latin-1")


def _target(path: list[bytes]) -> tuple[str, str | None] | None:
    """The merchant and the hash of the token that a path names; None if it cannot name them. A slash at the end of the
    path does not count."""
    if path and not path[-1]:
        path = path[:-1]
    if not path:
        return DEFAULT_MERCHANT, None
    merchant = unquote_to_bytes(path[0])
    if len(path) > 2 or not _MERCHANT.fullmatch(merchant):
        return None
    if len(path) == 1:
        return merchant.decode("ascii"), None
    token = unquote_to_bytes(path[1])
    if not 0 < len(token) <= LONGEST_TOKEN_IN_PATH:
        return None
    return merchant.decode("ascii"), token_hash(token)


async def _read(receive: Any) -> bytes | None:
    """The body, or enough of it to show that it is too large; None if the client has left."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message["body"]
    while message["more_body"] and len(body) <= responses.MOST_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
    return body
