"""What a receiver does besides answering: small steps, each at its own pace, for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from schemas.errors import LedgerUnavailable

log = structlog.get_logger()


class Round(NamedTuple):
    """A step and the seconds between its end and its next start."""

    step: Callable[[], Awaitable[object]]
    seconds: float


async def walk(round_: Round) -> None:
    """Take the step again and again, until cancelled. A ledger that is away is news elsewhere; any other error is
    logged, and the step is taken again all the same."""
    while True:
        try:
            await round_.step()
        except LedgerUnavailable:
            pass
        except Exception:
            log.exception("round_failed", step=getattr(round_.step, "__name__", "?"))
        await asyncio.sleep(round_.seconds)


@contextmanager
def walking(rounds: tuple[Round, ...]) -> Iterator[None]:
    """All of them, side by side, while the block runs."""
    tasks = [asyncio.create_task(walk(each), name=f"round-{number}") for number, each in enumerate(rounds)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
