"""`make chaos`: long storms. What they find is written into docs/reliability.md."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.accounting import Account
from tests.chaos.databases import HistoryDatabase, PostgresDatabase, SqliteDatabase
from tests.chaos.faults import FAULTS
from tests.chaos.storm import failovers, storm
from tests.support.postgres import installed
from tests.support.processes import Processes
from tests.support.redis_process import RedisServer
from tests.support.sentinels import Watched

RATE = 150.0

pytestmark = pytest.mark.chaos


def kept(made: Account) -> None:
    """Every promise was."""
    assert made.broken == []
    assert (made.lost, made.most_ids, made.given_up) == (0, 1, 0)
    assert made.accepted == sum(made.outcomes.values())


async def test_everything_breaks(
    processes: Processes,
    own_redis: RedisServer,
    free_port: Callable[[], int],
    seed: int,
    history: HistoryDatabase,
) -> None:
    """Every fault there is, in an order of the seed, under 150 webhooks/s: all is told once, in order."""
    names = random.Random(seed).sample(sorted(FAULTS), len(FAULTS))
    made = await storm(processes, own_redis, free_port, seed, rate=RATE, names=names, pause=2.0, history=history)
    report.write("storm", seed, RATE, made)
    kept(made)
    assert made.payments >= 2000


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, free_port: Callable[[], int], tmp_path: Path) -> Iterator[HistoryDatabase]:
    """History in a file, and on a server where that is installed."""
    if request.param == "sqlite":
        yield SqliteDatabase(tmp_path / "history.db")
        return
    with installed(free_port) as server:
        yield PostgresDatabase(server)


async def test_history_comes_back_older(
    processes: Processes,
    own_redis: RedisServer,
    free_port: Callable[[], int],
    seed: int,
    either: HistoryDatabase,
) -> None:
    """Restored from an older copy, twice, and a recorder is killed in between: in the end it has everything."""
    again = "history restored from an older copy"
    names = (again, "recorder killed while it records", again)
    made = await storm(processes, own_redis, free_port, seed, rate=40, names=names, pause=2.0, history=either)
    kept(made)
    assert made.accepted > 300


async def test_primaries_fail_over(
    processes: Processes, free_port: Callable[[], int], watched: Watched, seed: int, history: HistoryDatabase
) -> None:
    """With a replica's acknowledgement asked for, three failovers under load lose nothing."""
    made = await failovers(processes, watched, free_port, seed, rate=RATE, times=3, pause=3.0, history=history)
    report.write("failover", seed, RATE, made)
    kept(made)
