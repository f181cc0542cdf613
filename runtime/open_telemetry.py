"""The tracer that exports spans, made with OpenTelemetry's SDK, which reads the standard `OTEL_*` variables itself.
Only this module imports the SDK, which comes with the extra `otel`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runtime.repeated_lines import OnceAMinute
from runtime.tracing import Kind, Value
from runtime.version import relay_version

EXPORT_WITHIN = 3.0
"""Seconds for which an ending process waits until its last spans are exported."""

_HEADER = "traceparent"
_KINDS = {
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "internal": trace.SpanKind.INTERNAL,
}
_PROPAGATOR = TraceContextTextMapPropagator()
_LOGGER = "opentelemetry"


class OpenTelemetry:
    """A tracer that sends its spans to a collector in the background; while the collector is away, it drops them."""

    def __init__(self, process: str, environ: Mapping[str, str]) -> None:
        """`process` names the service where `OTEL_SERVICE_NAME` does not."""
        names = {} if _has_name(environ) else {"service.name": f"iamport-relay-{process}"}
        resource = Resource.create({"service.version": relay_version(), **names})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("iamport-relay", relay_version())
        _limit_logs()

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str = "",
        *,
        links: Sequence[str] = (),
        seconds_ago: float = 0.0,
        **attributes: Value | None,
    ) -> OpenSpan | None:
        """See `Tracer.begin`."""
        span = self._tracer.start_span(
            name,
            _context(parent),
            _KINDS[kind],
            links=[trace.Link(trace.get_current_span(_context(link)).get_span_context()) for link in links],
            start_time=time.time_ns() - round(seconds_ago * 1e9) if seconds_ago else None,
        )
        if not span.is_recording():
            return None
        span.set_attributes(_named(attributes))
        return OpenSpan(span)

    def close(self) -> None:
        """Export the remaining spans, within `EXPORT_WITHIN`."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(EXPORT_WITHIN)


class OpenSpan:
    """A span of OpenTelemetry's."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span, Context()))
        self.traceparent = carrier[_HEADER]

    def end(self, error: str = "", **attributes: Value | None) -> None:
        """See `Span.end`."""
        self._span.set_attributes(_named(attributes))
        if error:
            self._span.set_status(trace.StatusCode.ERROR, error)
        self._span.end()


def _limit_logs() -> None:
    """Let each place in the SDK's code write a line a minute, so that a missing collector does not fill the disk."""
    # A logger's filter does not see lines of the loggers below it, so each logger that writes gets its own.
    once_a_minute = OnceAMinute(lambda record: f"{record.name}:{record.lineno}")
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(_LOGGER)]:
        logging.getLogger(name).addFilter(once_a_minute)


def _context(traceparent: str) -> Context:
    """The context of a `traceparent`; an empty context if it is invalid."""
    return _PROPAGATOR.extract({_HEADER: traceparent}, Context()) if traceparent else Context()


def _has_name(environ: Mapping[str, str]) -> bool:
    given = environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
    return bool(environ.get("OTEL_SERVICE_NAME")) or any(one.strip().startswith("service.name=") for one in given)


def _named(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {f"relay.{name}": value for name, value in attributes.items() if value is not None}
