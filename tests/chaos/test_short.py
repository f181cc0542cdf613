"""A short storm for every run of the tests; `make chaos` has the long one."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.storm import failovers, storm
from tests.support.processes import Processes
from tests.support.redis_process import RedisServer
from tests.support.sentinels import Watched

SHORT = ("receiver killed", "Redis killed", "worker killed", "Redis full", "subscriber failing", "Redis paused")


async def test_a_short_storm_loses_nothing(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], seed: int
) -> None:
    """While receiver, worker and Redis are killed, paused and filled, every acknowledged webhook becomes one event."""
    made = await storm(processes, own_redis, free_port, seed, rate=30, names=SHORT, pause=0.5)
    assert made.broken == []
    assert (made.lost, made.most_ids, made.given_up) == (0, 1, 0)
    assert made.accepted > 300


async def test_a_failover_loses_nothing(
    processes: Processes, free_port: Callable[[], int], watched: Watched, seed: int
) -> None:
    """The primary dies under load, its replica takes over: everything reconnects by itself, and nothing is lost."""
    made = await failovers(processes, watched, free_port, seed, rate=20, times=1, pause=1.0)
    assert made.broken == []
    assert (made.lost, made.most_ids, made.given_up) == (0, 1, 0)
