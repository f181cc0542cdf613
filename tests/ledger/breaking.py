"""Calls of the ledger that break off halfway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.scripting import Argument
from ledger.store import Store
from schemas.errors import LedgerUnavailable
from tests.support.reasons import because


@contextmanager
def breaking_off(monkeypatch: pytest.MonkeyPatch, script: str, calls: int) -> Iterator[None]:
    """After so many calls of a script, no script runs any more, as if the process had been killed there."""
    run, left = Store.run, calls

    async def breaks_off(store: Store, name: str, *args: Argument, **options: Any) -> Any:
        nonlocal left
        left -= name == script
        if left < 0:
            raise LedgerUnavailable(because("killed"))
        return await run(store, name, *args, **options)

    with monkeypatch.context() as broken:
        broken.setattr(Store, "run", breaks_off)
        yield
