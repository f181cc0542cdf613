"""The fault-injection suite breaks the same relay that the end-to-end tests follow, and one with a breakable network.

A run is repeated with the same seed: `make chaos ARGS=--seed=7`, or CHAOS_SEED=7.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.databases import HistoryDatabase, PostgresDatabase, SqliteDatabase
from tests.end_to_end.conftest import relay, start_relay
from tests.support.postgres import find_programs, installed

__all__ = ["relay", "start_relay"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Only where this folder was named on the command line."""
    parser.addoption("--seed", type=int, default=None, help="what the faults, their order and the load are drawn from")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones last as long as they need."""
    for item in items:
        if item.get_closest_marker("chaos"):
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session")
def chosen_seed(request: pytest.FixtureRequest) -> int:
    """The run's seed; a new one each time, unless it was given."""
    option = request.config.getoption("--seed", default=None)
    given = os.environ.get("CHAOS_SEED") if option is None else option
    return int(given) if given is not None else secrets.randbelow(10**6)


@pytest.fixture
def seed(chosen_seed: int) -> int:
    """The run's seed. Each test prints it, so that its failure can be repeated."""
    print(f"chaos seed: {chosen_seed}")  # noqa: T201  # this is how people learn of it
    return chosen_seed


@pytest.fixture
def history(free_port: Callable[[], int], tmp_path: Path) -> Iterator[HistoryDatabase]:
    """History's database, of a server of this test's own where PostgreSQL is installed."""
    if find_programs() is None:
        yield SqliteDatabase(tmp_path / "history.db")
        return
    with installed(free_port) as server:
        yield PostgresDatabase(server)
