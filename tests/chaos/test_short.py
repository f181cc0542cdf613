"""A short storm for every run of the tests; `make chaos` has the long one."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.databases import HistoryDatabase
from tests.chaos.storm import failovers, storm
from tests.support.processes import Processes
from tests.support.redis_process import RedisServer
from tests.support.sentinels import Watched

SHORT = (
    "receiver killed", "Redis killed", "history killed", "worker killed", "Redis full", "history full",
    "subscriber failing", "Redis paused",
)  # fmt: skip


async def test_a_short_storm_loses_nothing(
    processes: Processes,
    own_redis: RedisServer,
    free_port: Callable[[], int],
    seed: int,
    history: HistoryDatabase,
) -> None:
    """While receiver, worker, Redis and history are killed, paused and filled, every webhook becomes one event."""
    made = await storm(processes, own_redis, free_port, seed, rate=10, names=SHORT, pause=0.5, history=history)
    assert made.broken == []
    assert (made.lost, made.most_ids, made.given_up) == (0, 1, 0)
    assert made.accepted > 100


async def test_a_failover_loses_nothing(
    processes: Processes, free_port: Callable[[], int], watched: Watched, seed: int, history: HistoryDatabase
) -> None:
    """The primary dies under load, its replica takes over: everything reconnects by itself, and nothing is lost."""
    made = await failovers(processes, watched, free_port, seed, rate=10, times=1, pause=1.0, history=history)
    assert made.broken == []
    assert (made.lost, made.most_ids, made.given_up) == (0, 1, 0)
