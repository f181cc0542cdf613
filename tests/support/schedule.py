"""How a run is divided among processes: what takes longest begins first, and files whose tests share nothing are split.

A plugin of pytest, loaded by `tests/conftest.py`. With `--dist loadfile` a file's tests run in one process, so that
they can share what is costly to start; the tests of the files in ``SPLIT`` are long and share nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

LONGEST = (
    "tests/chaos/test_short", "tests/chaos/test_machines", "tests/console/test_description",
    "tests/console/web/test_accessibility", "tests/deploy/test_packages", "tests/chaos/",
    "tests/end_to_end/test_large_payments", "tests/bench/test_soak", "tests/ledger/test_halfway_history",
    "tests/end_to_end/", "tests/receiver/test_outages", "tests/receiver/test_redis_away",
    "tests/docs/", "tests/cli/", "tests/receiver/", "tests/console/", "tests/ledger/test_machine",
    "tests/ledger/test_sentinel", "tests/ledger/test_cluster", "tests/ledger/",
)  # fmt: skip
"""Beginnings of the paths of what takes long, the longest first; all others follow."""
SPLIT = (
    "tests/chaos/test_short.py", "tests/chaos/test_lost_redis.py", "tests/console/test_description.py",
    "tests/console/web/test_accessibility.py", "tests/deploy/test_packages.py",
    "tests/end_to_end/test_history_recording.py", "tests/end_to_end/test_redis_errors.py",
    "tests/end_to_end/test_stopping.py", "tests/end_to_end/test_unusable.py", "tests/end_to_end/test_watched_tasks.py",
    "tests/ledger/test_cluster.py", "tests/ledger/test_sentinel.py", "tests/receiver/test_redis_away.py",
    "tests/receiver/test_outages.py",
)  # fmt: skip


def _place(path: str) -> int:
    return next((place for place, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first."""
    items.sort(key=lambda item: _place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files as units, in the order above, but for those that are split."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = str(super()._split_scope(nodeid))
            return nodeid if path in SPLIT else path

    return Scheduling(config, log)
