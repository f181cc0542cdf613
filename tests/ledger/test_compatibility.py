"""What a process checks before it works with a ledger: its keys, and the version of what is stored."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from ledger import Ledger
from ledger.compatibility import begin
from runtime.encryption import Sealer
from schemas.errors import BadSetting
from schemas.payments.codec import VERSION

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


async def test_keys_that_fit_are_found_to_fit(ledger: Ledger) -> None:
    """The first process leaves the canary; who has one of the same keys may start, in whatever order they are given."""
    for keys in ([OLD], [OLD], [OLD, NEW], [NEW, OLD]):
        await begin(ledger.store, Sealer(keys))


async def test_keys_that_do_not_fit_end_the_start(ledger: Ledger) -> None:
    """Where no key opens the canary nothing starts, and the error shows no key."""
    await begin(ledger.store, Sealer([OLD]))
    with pytest.raises(BadSetting, match="RELAY_ENCRYPTION_KEY") as refused:
        await begin(ledger.store, Sealer([OTHER]))
    assert OTHER not in str(refused.value)
    await begin(ledger.store, Sealer([OLD]))


async def test_an_old_key_can_be_taken_away(ledger: Ledger) -> None:
    """Once a process with the new key in front has started, the old one is not needed for a start."""
    await begin(ledger.store, Sealer([OLD]))
    await begin(ledger.store, Sealer([NEW, OLD]))
    await begin(ledger.store, Sealer([NEW]))


async def test_a_slow_start_does_not_bring_an_old_key_back(ledger: Ledger) -> None:
    """Old and new processes start side by side: one that read the canary before it was sealed anew leaves it alone."""
    await begin(ledger.store, Sealer([OLD]))
    read = await ledger.store.redis.get("{relay}:canary")
    assert isinstance(read, bytes)
    await begin(ledger.store, Sealer([NEW, OLD]))
    await ledger.store.run("reseal_canary", read, Sealer([OLD]).seal("a canary"))
    await begin(ledger.store, Sealer([NEW]))


async def test_shapes_of_a_newer_version_end_the_start(ledger: Ledger) -> None:
    """An old relay does not write into a ledger it may not understand."""
    await begin(ledger.store, Sealer([OLD]))
    await ledger.store.redis.set("{relay}:version", "99")
    with pytest.raises(BadSetting, match="version 99"):
        await begin(ledger.store, Sealer([OLD]))


async def test_a_ledger_that_an_older_version_began_gets_the_version_of_what_is_written_now(ledger: Ledger) -> None:
    """So that the older one does not start again; whose keys do not fit changes nothing."""
    await begin(ledger.store, Sealer([OLD]))
    await ledger.store.redis.set("{relay}:version", "1")
    with pytest.raises(BadSetting):
        await begin(ledger.store, Sealer([OTHER]))
    assert await ledger.store.redis.get("{relay}:version") == b"1"
    await begin(ledger.store, Sealer([OLD]))
    assert await ledger.store.redis.get("{relay}:version") == str(VERSION).encode()
