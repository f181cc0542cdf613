"""Metrics are declared once and read in Prometheus' own format."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from runtime.metrics import CONTENT_TYPE, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by name and label values, as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


def test_a_counter_counts_by_its_labels() -> None:
    """Labels it has not seen are not there; one without labels is 0 from the start."""
    metrics = Metrics()
    by_place, total = metrics.counter("stored", "Stored.", "place"), metrics.counter("all", "All.")
    assert samples(metrics)["all_total", ()] == 0
    by_place.add("redis")
    by_place.add("redis")
    by_place.add("spool")
    total.add()
    found = samples(metrics)
    assert (found["stored_total", ("redis",)], found["stored_total", ("spool",)], found["all_total", ()]) == (2, 1, 1)
    assert (by_place.value("redis"), by_place.value("other")) == (2, 0)


def test_a_histogram_has_cumulative_buckets() -> None:
    """A value on a bound belongs to the bucket below it, and one beyond all bounds to the last."""
    metrics = Metrics()
    seconds = metrics.histogram("took", "How long.")
    for value in (0.001, 0.002, 0.3, 60):
        seconds.observe(value)
    found = samples(metrics)
    assert [found["took_bucket", (bound,)] for bound in ("0.002", "0.25", "0.5", "10.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert (found["took_count", ()], found["took_sum", ()]) == (4, 60.303)


def test_a_gauge_is_read_by_each_scrape() -> None:
    """While it has no value it is left out."""
    metrics = Metrics()
    values: list[float | None] = [1.5, None]
    metrics.gauge("waiting", "Waiting.", lambda: values[0])
    assert samples(metrics)["waiting", ()] == 1.5
    values.pop(0)
    assert ("waiting", ()) not in samples(metrics)


def test_the_process_itself_is_measured() -> None:
    """CPU, memory and open files, beside what is declared."""
    assert ("process_open_fds", ()) in samples(Metrics())
    assert CONTENT_TYPE.startswith("text/plain")
