"""Databases for history: files that stay for the whole run, as filling one takes minutes, and a PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.filling import fill
from bench.machine import Machine, free_port
from history import History
from runtime.history_url import parse
from tests.support.postgres import Postgres, find_programs

NO_POSTGRES = "PostgreSQL is left out: it is not installed"


async def sqlite_of(machine: Machine, payments: int) -> str:
    """The URL of a file with so many payments; it is filled at the first call."""
    url = f"sqlite:///{machine.kept}/history-{payments}.db"
    await filled(url, payments)
    return url


async def filled(url: str, payments: int) -> None:
    """Puts so many payments into the history at this URL, unless something is in it."""
    history = History.connect(parse(url))
    try:
        await history.prepare()
        if await history.is_empty():
            await fill(history, payments)
    finally:
        await history.close()


@contextmanager
def postgres() -> Iterator[Postgres | None]:
    """A PostgreSQL that writes to disk as it does by itself; None where it is not installed.

    It does not run as root and may have no right to the checkout: so its data are in the system's folder for
    temporary files that is on a disk.
    """
    programs = find_programs()
    if programs is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="relay-bench-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Postgres(programs, free_port(), Path(folder) / "server", fsync=True)
        server.start()
        try:
            yield server
        finally:
            server.stop()
