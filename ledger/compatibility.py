"""Checks before a process uses a ledger: its rights in Redis, its encryption keys, the version of the stored shapes."""

from __future__ import annotations

from uuid import uuid4

import structlog

from ledger.acl import AclProblem
from ledger.store import Store
from runtime.encryption import Sealer
from schemas.errors import BadSetting, Unreadable
from schemas.payments.codec import VERSION
from schemas.reasons import english

OLDEST = 3
"""The oldest version of the stored shapes that is read. Nothing was released with an older one."""

_CANARY = "a canary"

log = structlog.get_logger()


def check_usable(*problems: AclProblem | None) -> None:
    """Raise `BadSetting` for the first problem that lasts until an operator changes something; log the others."""
    for problem in problems:
        if problem is None:
            continue
        if problem.lasting:
            raise BadSetting(str(problem))
        log.warning("queue_away" if problem.of == "queue" else "ledger_away", error=english(problem.problem))


async def begin(store: Store, sealer: Sealer, *, oldest: int = OLDEST, newest: int = VERSION) -> str:
    """Check that this version reads the ledger's shapes and that one of the keys opens its canary; return its name.

    The first process writes all three. A version from ``oldest`` on is raised to the ``newest``. A canary that opens is
    sealed anew with the first key, so that an old key can be removed once everything else is sealed anew, too.
    Raises `BadSetting` and `LedgerUnavailable`.
    """
    begun = await store.run("begin", newest, sealer.seal(_CANARY), f"ldg_{uuid4().hex}", durable=True)
    stored, canary, name = (text.decode() for text in begun)
    version = int(stored)
    if version > newest:
        raise BadSetting(f"REDIS_URL: this ledger has shapes of version {version}; this relay reads up to {newest}")
    if version < oldest:
        raise BadSetting(
            f"REDIS_URL: this ledger has shapes of version {version}; this relay reads {oldest} and later:"
            " use an empty Redis and rebuild the ledger from i'mport"
        )
    try:
        sealer.open(canary)
    except Unreadable:
        raise BadSetting(
            "RELAY_ENCRYPTION_KEY: ***: none of these keys opens what this ledger was sealed with;"
            " it takes the keys it had, separated by commas"
        ) from None
    await store.run("reseal_canary", canary, sealer.seal(_CANARY), durable=True)
    await store.run("raise_version", newest, durable=True)
    return str(name)
