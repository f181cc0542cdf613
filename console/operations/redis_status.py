"""Problems that keep ledger or queue from working: missing rights in Redis, or a ledger that is not open."""

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
    """The problems now; their reasons say what to do. Raises `LedgerUnavailable`."""
    seen = await context.ledger.acl_watch.recent()
    if seen.ledger is not None:
        return seen
    why = await why_not_open(context)
    return seen if why is None else replace(seen, ledger=AclProblem("ledger", why, lasting=False))


async def why_not_open(context: Context) -> Reason | None:
    """Why the ledger is not open, e.g. because Redis has lost it; None if it is open or can be opened now. Raises
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
    """Redis' answer; None if Redis refuses the command, which the store has logged. Raises `LedgerUnavailable`."""
    try:
        return await read
    except LedgerRefused:
        return None
