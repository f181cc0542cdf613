"""Who may do what in the console's code: only operations use the ledger, history and i'mport."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.processes import ROOT

ONLY_FOR_OPERATIONS = {"ledger", "history", "accounts", "watch"}


def reached(source: str) -> Iterator[str]:
    """The lines of a source that reach through a context, e.g. `visit.context.ledger`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ONLY_FOR_OPERATIONS:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner.lstrip("_") == "context":
                yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("package", ["console/web", "console/resources"])
def test_pages_and_resources_only_call_operations(package: str) -> None:
    """What operators can do is in `console/operations`, for API and pages alike."""
    files = sorted((ROOT / package).rglob("*.py"))
    found = [f"{path.relative_to(ROOT)}:{line}" for path in files for line in reached(path.read_text())]
    assert files
    assert found == []


@pytest.mark.parametrize("source", ["visit.context.ledger.minutes()", "self._context.history", "context.accounts.get"])
def test_a_way_around_operations_is_found(source: str) -> None:
    """The rule sees a context wherever it is kept."""
    assert list(reached(source))
