"""Whether a process traces: what the standard variables ask for, and what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from runtime.tracing import trace_id, tracing
from tests.support.otlp_collector import Collector
from tests.support.traces import TRACE, traceparent

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "relay", "OTEL_TRACES_SAMPLER": "always_on"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_variables_say_where_to(environ: dict[str, str]) -> None:
    """Nor does a log line say so."""
    with capture_logs() as lines, tracing("receiver", environ) as tracer:
        assert tracer is None
    assert lines == []


@pytest.mark.parametrize(
    "environ",
    [{"OTEL_TRACES_EXPORTER": "zipkin"}, ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}],
)
def test_what_cannot_be_exported_is_said_once(environ: dict[str, str]) -> None:
    """The process starts without a tracer, and one line says what it can do."""
    with capture_logs() as lines, tracing("receiver", environ) as tracer:
        assert tracer is None
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("tracing_unavailable", "warning")
    assert "http/protobuf" in line["hint"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install; the process starts all the same."""
    monkeypatch.delitem(sys.modules, "runtime.open_telemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as lines, tracing("worker", ENDPOINT) as tracer:
        assert tracer is None
    (line,) = lines
    assert line["event"] == "tracing_unavailable"
    assert "pip install 'iamport-relay[otel]'" in line["hint"]


def test_processes_do_not_load_what_they_do_not_use() -> None:
    """Neither receiver nor worker loads what exports traces while no variable asks for them. (redis-py loads a part of
    OpenTelemetry for itself wherever that is installed.)"""
    check = (
        "import sys, receiver.server, workers.app\n"
        "unused = 'runtime.open_telemetry', 'opentelemetry.exporter', 'opentelemetry.sdk.trace'\n"
        "from runtime.tracing import tracing\n"
        "with tracing('worker', {}): print([name for name in sys.modules if name.startswith(unused)])"
    )
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True).stdout == "[]\n"


async def test_spans_are_exported_by_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends exports what it has; a parent that is none begins a trace, links stay, `None` is left out."""
    async with Collector() as collector:
        for name, value in collector.environ.items():
            monkeypatch.setenv(name, value)
        with tracing("worker", collector.environ | {"OTEL_SERVICE_NAME": ""}) as tracer:
            assert tracer is not None
            span = tracer.begin("commit", "internal", "nonsense", links=[traceparent(7)], events=2, place=None)
            assert span is not None
            span.end("lost")
            inner = tracer.begin("attempt", "client", span.traceparent, seconds_ago=2.0)
            assert inner is not None
            inner.end()
            assert tracer.begin("attempt", "client", traceparent(7).removesuffix("1") + "0") is None
            await collector.collected(trace_id(span.traceparent)["trace_id"], 2)
    commit, attempt = collector.spans
    assert (commit.service, commit.parent, commit.failed) == ("iamport-relay-worker", "", True)
    assert commit.attributes == {"relay.events": 2}
    assert commit.links == (traceparent(7).split("-")[2],)
    assert (attempt.trace, attempt.parent, attempt.failed) == (commit.trace, commit.id, False)


def test_a_log_line_says_its_trace() -> None:
    """If there is one."""
    assert trace_id(traceparent(1)) == {"trace_id": TRACE}
    assert trace_id("") == {}
