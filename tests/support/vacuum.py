"""Rewrites history's files as docs/history.md tells operators to, with the statements of that page."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

_PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
_SECTION = _PAGE.partition("## Forgetting a buyer\n")[2].partition("\n## ")[0]
_SQLITE, _POSTGRESQL = (
    [line for line in block.splitlines() if line] for block in re.findall(r"```sql\n(.*?)```", _SECTION, re.DOTALL)
)


def vacuum(url: str) -> None:
    """Rewrite the files of the history at this URL."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            results = [connection.execute(statement).fetchall() for statement in _SQLITE]
        assert results[-1][0][0] == 0, results
        return
    with psycopg.connect(url, autocommit=True) as server:
        for statement in _POSTGRESQL:
            server.execute(statement.encode())
