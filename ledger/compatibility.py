"""Before a process works with a ledger: can it, are these its keys, and can this version read it?"""

from __future__ import annotations

import structlog

from ledger.acl import ledger_trouble
from ledger.ledger import Ledger
from ledger.store import Store
from runtime.encryption import Sealer
from schemas.errors import BadSetting, Unreadable
from schemas.payments.codec import VERSION

_CANARY = "a canary"

log = structlog.get_logger()


async def check(ledger: Ledger, sealer: Sealer) -> None:
    """Everything that a process has to know before it works with a ledger and opens what is sealed there: `usable` and
    `begin`. Raises `BadSetting` and `LedgerUnavailable`."""
    await usable(ledger)
    await begin(ledger.store, sealer)


async def usable(ledger: Ledger) -> None:
    """Check that ledger and queue let this process work; a queue that is only away is logged.

    Raises `BadSetting` for what lasts until somebody changes it, and `LedgerUnavailable`.
    """
    for found in (await ledger_trouble(ledger.store), await ledger.queue.trouble()):
        if found is None:
            continue
        if found.lasting:
            raise BadSetting(str(found))
        log.warning("queue_away" if found.of == "queue" else "ledger_away", error=found.reason)


async def begin(store: Store, sealer: Sealer) -> None:
    """Check that one of the keys opens what this ledger's canary was sealed with, and that its shapes are not newer.

    The first process to come leaves both; an older version becomes ours. A canary that opens is sealed anew with the
    first key, so that an old key can be taken away when everything else was sealed anew, too. Raises `BadSetting` and
    `LedgerUnavailable`.
    """
    version, canary = (text.decode() for text in await store.run("start", VERSION, sealer.seal(_CANARY), durable=True))
    if int(version) > VERSION:
        raise BadSetting(f"REDIS_URL: this ledger has shapes of version {version}; this relay reads up to {VERSION}")
    try:
        sealer.open(canary)
    except Unreadable:
        raise BadSetting(
            "RELAY_ENCRYPTION_KEY: ***: none of these keys opens what this ledger was sealed with;"
            " it takes the keys it had, separated by commas"
        ) from None
    await store.run("renew_canary", canary, sealer.seal(_CANARY), durable=True)
    await store.run("raise_version", VERSION, durable=True)
