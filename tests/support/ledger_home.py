"""Where the relays of end-to-end tests have their ledger: one Redis, or a Redis Cluster with `--ledger=cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.redis_cluster import Cluster
from tests.support.redis_process import RedisServer

KINDS = ("redis", "cluster")


@dataclass(frozen=True)
class LedgerHome:
    """``url`` and ``environ`` are what a relay needs to find ledger and queue there; ``empty`` makes both empty."""

    url: str
    empty: Callable[[], object] = field(repr=False)
    environ: Mapping[str, str] = field(default_factory=dict)


def on_redis(server: RedisServer) -> LedgerHome:
    """Ledger and queue are on one Redis."""
    return LedgerHome(server.url, server.empty)


@contextmanager
def on_cluster(queue: RedisServer, free_port: Callable[[], int], folder: Path) -> Iterator[LedgerHome]:
    """The ledger is on three primaries with a replica each; the queue is on a Redis, as it cannot be on a Cluster."""
    cluster = Cluster(free_port, folder)

    def empty() -> None:
        cluster.empty()
        queue.empty()

    try:
        cluster.start()
        yield LedgerHome(cluster.url(*cluster.primaries), empty, {"RELAY_QUEUE_URL": queue.queue_url})
    finally:
        cluster.stop()
