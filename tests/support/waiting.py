"""Waiting for something to happen: the only loop of its kind in the tests."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0
"""Seconds after which something that should happen counts as not happening; never a measurement."""
EVERY = 0.02
"""Seconds between two looks at a condition at first. Looks cost CPU, often also a process's that answers them: so the
next one is after a tenth of what was waited."""
AT_MOST = 0.2
"""And after so many seconds at most."""

Condition = Callable[[], Any]
"""Gives a value, or an awaitable of one; what is waited for has happened once the value is true."""


async def until(
    holds: Condition, what: str | Callable[[], str] = "", within: float = PATIENCE, *,
    every: float = EVERY, despite: tuple[type[Exception], ...] = (),
) -> Any:  # fmt: skip
    """Wait until ``holds()`` gives something true, and return it.

    Errors of the types in ``despite`` count as not yet. AssertionError, with ``what`` was waited for, after ``within``
    seconds. ``every`` seconds a look, and later less often; or always, where they are so few that it may be over soon.
    """
    began = time.monotonic()
    ends = began + within
    while True:
        try:
            value = holds()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
        except despite as error:
            _fail_after(ends, holds, what, error)
        else:
            _fail_after(ends, holds, what)
        await asyncio.sleep(_next_in(every, began))


def until_now(
    holds: Condition, what: str | Callable[[], str] = "", within: float = PATIENCE, *,
    every: float = EVERY, despite: tuple[type[Exception], ...] = (),
) -> Any:  # fmt: skip
    """`until` for code without an event loop; ``holds`` gives a value."""
    began = time.monotonic()
    ends = began + within
    while True:
        try:
            if value := holds():
                return value
        except despite as error:
            _fail_after(ends, holds, what, error)
        else:
            _fail_after(ends, holds, what)
        time.sleep(_next_in(every, began))


def _next_in(every: float, began: float) -> float:
    """Seconds until the next look."""
    return every if every < EVERY else max(every, min(AT_MOST, (time.monotonic() - began) / 10))


async def succeeds(act: Callable[[], Any], *despite: type[Exception], what: str = "") -> Any:
    """Do something as somebody does who tries again after these errors, until it succeeds; what it returned."""

    async def once() -> tuple[Any]:
        return (await act(),)

    return (await until(once, what, despite=despite))[0]


def _fail_after(ends: float, holds: Condition, what: str | Callable[[], str], error: Exception | None = None) -> None:
    if time.monotonic() > ends:
        words = what() if callable(what) else what or getattr(holds, "__name__", "it happens")
        raise AssertionError(f"waited in vain until {words}") from error
