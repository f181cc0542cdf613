"""The interface through which packages make traces. They get a `Tracer`, or None if no variable asks for traces: then a
step costs a comparison with None, and OpenTelemetry is not imported.

A span is named by its `traceparent` (W3C Trace Context), which goes through Redis, the spool and callbacks. A step that
the sampler leaves out has no span, no `traceparent`, and no `trace_id` in the log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

import structlog

Kind = Literal["server", "client", "internal"]
Value = str | int | bool

EXTRA = "pip install 'iamport-relay[otel]'"
_TRACE_ID = slice(3, 35)

log = structlog.get_logger()


class Span(Protocol):
    """A step that has begun."""

    @property
    def traceparent(self) -> str:
        """The name of the span, for other processes."""

    def end(self, error: str = "", **attributes: Value | None) -> None:
        """End the step, with `error` if it failed. Attributes that are None are left out."""


class Tracer(Protocol):
    """Begins spans."""

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str = "",
        *,
        links: Sequence[str] = (),
        seconds_ago: float = 0.0,
        **attributes: Value | None,
    ) -> Span | None:
        """Begin a step that continues `parent`, a `traceparent`. If that is "" or invalid, the step begins a trace.
        `links` are other steps that led to this one. Returns None if the sampler leaves the trace out."""


def trace_id(traceparent: str) -> dict[str, str]:
    """The log field that names the trace; no field for a step that is not traced."""
    return {"trace_id": traceparent[_TRACE_ID]} if traceparent else {}


@contextmanager
def tracing(process: str, environ: Mapping[str, str] = os.environ) -> Iterator[Tracer | None]:
    """A tracer for this process; None unless the standard `OTEL_*` variables say where traces go. Its spans are
    exported when the block ends. Call it after a fork: it starts a thread."""
    if not _is_wanted(environ):
        yield None
        return
    try:
        from runtime.open_telemetry import OpenTelemetry
    except ImportError as error:
        log.warning("tracing_unavailable", missing=error.name, hint=f"nothing is traced: {EXTRA}")
        yield None
        return
    tracer = OpenTelemetry(process, environ)
    try:
        yield tracer
    finally:
        tracer.close()


def _is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces. Logs a warning if they name an exporter that the relay lacks."""

    def value(*names: str) -> str:
        return next((text for name in names if (text := environ.get(name, "").strip())), "")

    if value("OTEL_SDK_DISABLED").lower() == "true":
        return False
    exporter = value("OTEL_TRACES_EXPORTER")
    endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if exporter == "none" or not (endpoint or exporter):
        return False
    protocol = value("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter not in ("", "otlp") or protocol not in ("", "http/protobuf"):
        log.warning(
            "tracing_unavailable", exporter=exporter or "otlp", protocol=protocol or "http/protobuf",
            hint="nothing is traced: traces are exported by otlp over http/protobuf only",
        )  # fmt: skip
        return False
    return True
