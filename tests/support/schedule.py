"""How a run is divided among processes: what takes longest begins first, and files whose tests share nothing are split.

A plugin of pytest, loaded by `tests/conftest.py`. With `--dist loadfile` a file's tests run in one process, so that
they can share what is costly to start; the tests of the files in ``SPLIT`` are long and share little.
"""

from __future__ import annotations

import gc
from typing import Any

import pytest

LONGEST = (
    "tests/end_to_end/test_history_recording",
    "tests/chaos/test_short", "tests/bench/test_soak", "tests/deploy/test_packages", "tests/chaos/test_machines",
    "tests/end_to_end/test_upgrading", "tests/console/web/test_accessibility", "tests/end_to_end/test_long_histories",
    "tests/console/test_description", "tests/scripts/test_release",
    "tests/end_to_end/test_iamport_failing", "tests/cli/test_commands", "tests/end_to_end/test_lost_history",
    "tests/ledger/test_halfway_history", "tests/cli/test_up", "tests/console/web/test_incident", "tests/chaos/",
    "tests/history/test_lists", "tests/end_to_end/", "tests/workers/test_large_lists", "tests/workers/test_places",
    "tests/receiver/test_outages", "tests/history/test_troubles", "tests/receiver/test_redis_away",
    "tests/ledger/test_machine", "tests/ledger/test_long_histories", "tests/docs/", "tests/ledger/test_sentinel",
    "tests/ledger/test_cluster", "tests/console/", "tests/cli/", "tests/history/", "tests/receiver/", "tests/ledger/",
)  # fmt: skip
"""Beginnings of the paths of what takes long, the longest first; all others follow."""
WAITING = (
    "tests/chaos/", "tests/end_to_end/", "tests/cli/test_up", "tests/receiver/test_outages",
    "tests/receiver/test_redis_away", "tests/docs/test_commands", "tests/docs/test_runbooks",
    "tests/ledger/test_sentinel", "tests/console/test_waiting", "tests/console/test_standing",
    "tests/workers/test_leaving_kills", "tests/ledger/test_replicas", "tests/runtime/test_children",
)  # fmt: skip
"""Beginnings of the paths of what mostly waits: it takes turns with what computes, or cores would have nothing to do
at first and too much in the end."""
SPLIT = (
    "tests/chaos/test_short.py", "tests/chaos/test_lost_redis.py", "tests/console/test_description.py",
    "tests/console/web/test_accessibility.py",
    "tests/end_to_end/test_redis_errors.py",
    "tests/end_to_end/test_stopping.py", "tests/end_to_end/test_unusable.py", "tests/end_to_end/test_watched_tasks.py",
    "tests/end_to_end/test_upgrading.py", "tests/ledger/test_cluster.py", "tests/ledger/test_halfway_history.py",
    "tests/ledger/test_sentinel.py", "tests/receiver/test_redis_away.py", "tests/receiver/test_outages.py",
    "tests/workers/test_large_lists.py",
)  # fmt: skip


BY_DATABASE = ("tests/end_to_end/test_history_recording.py",)
"""Files whose tests share a relay for each database."""


gc.disable()  # until all tests are collected: nothing of them is garbage, and looking is a quarter of collecting them


def pytest_collection_finish() -> None:
    """From now on garbage is collected, but never looked for among the tests themselves."""
    gc.freeze()
    gc.enable()


def _place(path: str) -> int:
    return next((place for place, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first, what waits and what computes by turns."""
    units: dict[str, list[pytest.Item]] = {}
    for item in sorted(items, key=lambda item: _place(item.nodeid)):
        units.setdefault(_unit(item.nodeid), []).append(item)
    waiting = [unit for unit in units if unit.startswith(WAITING)]
    computing = [unit for unit in units if not unit.startswith(WAITING)]
    turns = {unit: turn / len(queue) for queue in (waiting, computing) for turn, unit in enumerate(queue)}
    items[:] = [item for unit in sorted(units, key=turns.__getitem__) for item in units[unit]]


def _unit(nodeid: str) -> str:
    """What runs in one process: a file, or a test of those that are split, or a database's tests."""
    path, _, test = nodeid.partition("::")
    if path in SPLIT:
        return nodeid
    return f"{path}::{'postgresql' in test}" if path in BY_DATABASE else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as units, in the order above, but for those that are split."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    return Scheduling(config, log)
