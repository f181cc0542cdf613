"""A collector of traces as OpenTelemetry's exporters reach it: OTLP over HTTP, in Protocol Buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.http_server import Connection, HttpServer, Request
from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Collected:
    """A span that has come, with its ids in hex; `parent` is "" for the first of a trace, `links` are ids of spans."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    failed: bool
    attributes: dict[str, Any]

    @property
    def traceparent(self) -> str:
        """How the W3C's header calls a sampled span, but for the flags."""
        return f"00-{self.trace}-{self.id}"


class Collector(HttpServer):
    """Takes every span, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Collected] = []

    @property
    def environ(self) -> dict[str, str]:
        """The variables that have a process export to this at once."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def of_trace(self, trace: str) -> Sequence[Collected]:
        """The spans of a trace so far."""
        return [span for span in self.spans if span.trace == trace]

    async def collected(self, trace: str, count: int) -> Sequence[Collected]:
        """Wait until a trace has so many spans; these."""
        await until(lambda: len(self.of_trace(trace)) >= count, lambda: f"{count} spans come: {self.spans}")
        return self.of_trace(trace)

    async def answer(self, request: Request, connection: Connection) -> None:
        """Keep the spans of a request, and say so."""
        assert request.path == "/v1/traces"
        for group in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            resource = {one.key: one.value.string_value for one in group.resource.attributes}
            self.spans += [
                _collected(resource["service.name"], span) for scope in group.scope_spans for span in scope.spans
            ]
        await connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def _collected(service: str, span: trace_pb2.Span) -> Collected:
    return Collected(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple(link.span_id.hex() for link in span.links),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes={one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes},
    )
