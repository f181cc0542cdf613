"""What tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

import pytest
import structlog
from typer.main import get_command


@pytest.fixture(scope="session", autouse=True)
def commands_made_once() -> Iterator[None]:
    """A runner makes all commands of `relay` for each that it runs, which takes longer than most that are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(autouse=True)
def logs_beside_the_output() -> Iterator[None]:
    """The console and recorder of a test run in its process: what they log is not what a command prints."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    yield
    structlog.configure(**before)
