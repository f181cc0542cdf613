"""The limit of open files is raised as far as it may be, and never lowered."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LIMITED = """
import resource, sys
from runtime.open_files import allow_open_files
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allow_open_files(wanted)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "after"),
    [(100, 1000, 500, 500), (100, 300, 500, 300), (400, 1000, 200, 400)],
    ids=["raised", "raised as far as it may be", "high enough"],
)
def test_the_limit_of_open_files(soft: int, hard: int, wanted: int, after: int) -> None:
    """The hard limit stays as it is."""
    command = [sys.executable, "-c", _LIMITED, *map(str, (soft, hard, wanted))]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert answer.split() == [str(after), str(hard)]
