"""What a process checks before it works with a ledger: its keys, and the version of what is stored."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from ledger import Ledger
from ledger.compatibility import OLDEST, Shapes, begin
from runtime.encryption import Sealer
from schemas.errors import BadSetting
from schemas.payments.codec import VERSION
from tests.support.ledger_redis import redis_of

NEXT = Shapes(OLDEST, VERSION + 1, VERSION + 1)
"""A version whose shapes this one cannot read."""
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


async def test_keys_that_fit_are_found_to_fit(ledger: Ledger) -> None:
    """The first process leaves the canary; who has one of the same keys may start, in whatever order they are given."""
    for keys in ([OLD], [OLD], [OLD, NEW], [NEW, OLD]):
        await ledger.begin(Sealer(keys))


async def test_keys_that_do_not_fit_end_the_start(ledger: Ledger) -> None:
    """Where no key opens the canary nothing starts, and the error shows no key."""
    await ledger.begin(Sealer([OLD]))
    with pytest.raises(BadSetting, match="RELAY_ENCRYPTION_KEY") as refused:
        await ledger.begin(Sealer([OTHER]))
    assert OTHER not in str(refused.value)
    await ledger.begin(Sealer([OLD]))


async def test_an_old_key_can_be_taken_away(ledger: Ledger) -> None:
    """Once a process with the new key in front has started, the old one is not needed for a start."""
    await ledger.begin(Sealer([OLD]))
    await ledger.begin(Sealer([NEW, OLD]))
    await ledger.begin(Sealer([NEW]))


async def test_a_slow_start_does_not_bring_an_old_key_back(ledger: Ledger) -> None:
    """Old and new processes start side by side: one that read the canary before it was sealed anew leaves it alone."""
    await ledger.begin(Sealer([OLD]))
    read = await redis_of(ledger).get("{relay}:canary")
    assert isinstance(read, bytes)
    await ledger.begin(Sealer([NEW, OLD]))
    await ledger.cells.shared.run("reseal_canary", read, Sealer([OLD]).seal("a canary"))
    await ledger.begin(Sealer([NEW]))


async def test_shapes_of_a_newer_version_end_the_start(ledger: Ledger) -> None:
    """An old relay does not write into a ledger it may not understand."""
    await begin(ledger.cells, Sealer([OLD]), shapes=NEXT)
    with pytest.raises(BadSetting, match=f"version {VERSION + 1}"):
        await ledger.begin(Sealer([OLD]))


async def test_shapes_that_are_not_read_any_more_end_the_start(ledger: Ledger) -> None:
    """Nor does a new relay write into a ledger that is too old; it says what to do instead."""
    await begin(ledger.cells, Sealer([OLD]), shapes=Shapes(OLDEST - 1, OLDEST - 1, OLDEST - 1))
    with pytest.raises(BadSetting, match=rf"version {OLDEST - 1}.*rebuild"):
        await ledger.begin(Sealer([OLD]))


async def test_a_ledger_that_an_older_version_began_gets_the_version_of_what_is_written_now(ledger: Ledger) -> None:
    """So the older one does not start again; a process whose keys do not fit changes nothing."""
    await ledger.begin(Sealer([OLD]))
    with pytest.raises(BadSetting):
        await begin(ledger.cells, Sealer([OTHER]), shapes=NEXT)
    assert await redis_of(ledger).get("{relay}:version") == str(VERSION).encode()
    await begin(ledger.cells, Sealer([OLD]), shapes=NEXT)
    assert await redis_of(ledger).get("{relay}:version") == str(VERSION + 1).encode()
    with pytest.raises(BadSetting, match=f"version {VERSION + 1}"):
        await ledger.begin(Sealer([OLD]))


async def test_one_can_go_back_where_the_older_code_reads_the_newer_shapes(ledger: Ledger) -> None:
    """The version stays what has been written; once shapes came that the older code cannot read, it does not start."""
    await ledger.begin(Sealer([OLD]))
    await begin(ledger.cells, Sealer([OLD]), shapes=Shapes(OLDEST, VERSION + 1, VERSION))
    await ledger.begin(Sealer([OLD]))
    assert await ledger.stored_version() == VERSION + 1
    await begin(ledger.cells, Sealer([OLD]), shapes=NEXT)
    with pytest.raises(BadSetting, match="start a newer release"):
        await ledger.begin(Sealer([OLD]))


async def test_a_ledger_that_was_not_begun_has_no_version(ledger: Ledger) -> None:
    """So nothing has to be migrated."""
    assert await ledger.stored_version() is None
    await ledger.begin(Sealer([OLD]))
    assert await ledger.stored_version() == VERSION


@pytest.mark.parametrize("shapes", [NEXT, Shapes(OLDEST - 1, OLDEST - 1, OLDEST - 1)])
async def test_a_plan_refuses_what_a_start_would_refuse(ledger: Ledger, shapes: Shapes) -> None:
    """Whoever asks what would be done is not told that all is well."""
    await begin(ledger.cells, Sealer([OLD]), shapes=shapes)
    with pytest.raises(BadSetting, match=f"data format is version {shapes.newest}"):
        await ledger.stored_version()
