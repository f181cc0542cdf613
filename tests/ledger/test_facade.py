"""The ledger is one façade: nothing outside ledger/ reaches its cells, its queue, its keys or a lane to kick. Which of
its modules others may import is in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("cli", "console", "iamport", "receiver", "runtime", "sandbox", "schemas", "workers")
INSIDE = re.compile(r"ledger\.(?:cells|queue)\b|kick_all|\{relay[:}]|from ledger\.keys import (?!Lane\n)")


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_use_the_ledger_through_its_methods(package: str) -> None:
    """No package names what is inside the ledger; a lane is named, never written to."""
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for match in INSIDE.finditer(file.read_text())
    ]
    assert found == []


def test_tests_and_benchmarks_do_the_same() -> None:
    """Outside tests/ledger one file alone reaches the ledger's Redis."""
    reaching = {
        str(file.relative_to(ROOT))
        for place in ("bench", "tests")
        for file in (ROOT / place).rglob("*.py")
        if file.parent != ROOT / "tests/ledger" and re.search(r"ledger\.(?:cells|queue)\b", file.read_text())
    }
    assert reaching == {"tests/support/ledger_redis.py"}
