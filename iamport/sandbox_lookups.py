"""Payments of test channels: i'mport documents ``include_sandbox`` for the single look-up only.

Batches show such payments without being asked to, but that is not documented. So for a merchant that includes them,
the ids that a batch did not return are looked up one by one before they count as unknown, a few at once, for a limited
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from iamport.responses import LookupResult
from schemas.errors import (
    IamportFailing,
    IamportUnreachable,
    LedgerUnavailable,
    MalformedPayment,
    RelayError,
    WrongCredentials,
)

_AT_ONCE = 5
_ENOUGH_FAILURES = 3
_HOPELESS = (IamportUnreachable, WrongCredentials, LedgerUnavailable)


async def look_up_singly(
    look_up: Callable[[str], Awaitable[dict[str, Any] | None]],
    batch: LookupResult,
    imp_uids: Sequence[str],
    seconds: float,
) -> LookupResult:
    """``batch``, with each of ``imp_uids`` found, unknown, malformed or failed by a look-up of its own.

    Look-ups are started for ``seconds`` and until i'mport seems to be down; ids not looked up by then have failed.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    found, malformed = dict(batch.found), dict(batch.malformed)
    unknown: set[str] = set()
    failed: dict[str, RelayError] = {}
    given_up: RelayError | None = None
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look_up_one(imp_uid: str) -> None:
        nonlocal given_up
        async with slots:
            if given_up is None and loop.time() > until:
                given_up = IamportFailing(f"i'mport needs more than {seconds:g} s for the single look-ups")
            if given_up is not None:
                failed[imp_uid] = given_up
                return
            try:
                payment = await look_up(imp_uid)
            except MalformedPayment as error:
                malformed[imp_uid] = error
            except RelayError as error:
                failed[imp_uid] = error
                if isinstance(error, _HOPELESS) or len(failed) >= _ENOUGH_FAILURES:
                    given_up = error
            else:
                if payment is None:
                    unknown.add(imp_uid)
                else:
                    found[imp_uid] = payment

    async with asyncio.TaskGroup() as group:
        for imp_uid in imp_uids:
            group.create_task(look_up_one(imp_uid))
    return LookupResult(found, frozenset(unknown), malformed, failed, batch.others)
