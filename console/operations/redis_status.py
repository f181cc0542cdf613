"""What keeps ledger and queue from working: rights that are missing in Redis, or a ledger that is not open."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

from console.context import Context
from ledger.acl import AclProblem
from ledger.acl_watch import RedisStatus
from schemas.errors import BadSetting, HistoryUnavailable, LedgerNotOpen, LedgerRefused
from schemas.reasons import Reason

T = TypeVar("T")


async def redis_status(context: Context) -> RedisStatus:
    """What is wrong now; the reason says what to do. Raises `LedgerUnavailable`."""
    seen = await context.watch.recent()
    if seen.ledger is not None:
        return seen
    why = await why_not_open(context)
    return seen if why is None else replace(seen, ledger=AclProblem("ledger", why, lasting=False))


async def why_not_open(context: Context) -> Reason | None:
    """Why the ledger is not open, e.g. because Redis has lost it; None for one that is, or can be opened now. Raises
    `LedgerUnavailable`."""
    if await context.ledger.is_open():
        return None
    try:
        await context.ledger.open_with(context.history, context.sealer)
    except HistoryUnavailable as error:
        return Reason.of("ledger_not_open", error.reason)
    except LedgerNotOpen as error:
        return error.reason
    except BadSetting as error:
        return Reason.of("ledger_of_another_history", error=str(error))
    return None


async def unless_refused(read: Awaitable[T]) -> T | None:
    """What Redis answers; None where it refuses to, which the store has logged. Raises `LedgerUnavailable`."""
    try:
        return await read
    except LedgerRefused:
        return None
