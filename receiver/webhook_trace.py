"""The trace of a webhook: a span for the request and, in it, one for storing the notification. Refreshes and attempts
continue the inner span. Requests that are refused before they are stored are not traced; the log has them."""

from __future__ import annotations

import time
from typing import Self

from receiver.interfaces import Place
from runtime.tracing import Span, Tracer


class WebhookTrace:
    """The two spans of a webhook that is being accepted; `traceparent` is the inner one's."""

    def __init__(self, webhook: Span, accept: Span) -> None:
        self._webhook = webhook
        self._accept = accept
        self.traceparent = accept.traceparent

    @classmethod
    def begin(cls, tracer: Tracer, caller: str, started: float, merchant: str, imp_uid: str) -> Self | None:
        """The trace of a request that came at `started` (`time.perf_counter`). It continues `caller`, the request's
        `traceparent`. None if the sampler leaves it out."""
        seconds_ago = time.perf_counter() - started
        webhook = tracer.begin("webhook", "server", caller, seconds_ago=seconds_ago, merchant=merchant, imp_uid=imp_uid)
        accept = None if webhook is None else tracer.begin("accept", "internal", webhook.traceparent)
        return None if webhook is None or accept is None else cls(webhook, accept)

    def end(self, status_code: int, notification: str, place: Place | None) -> None:
        """The webhook was answered; `place` is where it is stored, None for nowhere."""
        error = "" if place is not None else "not stored"
        self._accept.end(error, notification=notification, place=place)
        self._webhook.end(error, status_code=status_code)
