"""Spools that are closed when a test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.spool import FileSpool
from tests.support.receiver_parts import MakeSpool


@pytest.fixture
async def spool_at() -> AsyncIterator[MakeSpool]:
    """Makes spools that are closed at the end."""
    made: list[FileSpool] = []

    def make(folder: Path, **options: int) -> FileSpool:
        made.append(FileSpool(folder, **options))
        return made[-1]

    yield make
    for spool in made:
        await spool.close()
