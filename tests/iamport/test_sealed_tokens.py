"""Access tokens, as the processes share them."""

from __future__ import annotations

from cryptography.fernet import Fernet

from iamport.sealed_tokens import SealedTokens
from runtime.encryption import Sealer
from tests.support.memory_tokens import MemoryTokens

KEY, OTHER = Fernet.generate_key().decode(), Fernet.generate_key().decode()


async def test_a_token_is_kept_sealed() -> None:
    """Another process with the key can read it; Redis alone does not reveal it."""
    store = MemoryTokens()
    await SealedTokens(store, Sealer([KEY])).put_token("default", "the-token", 60)
    assert "the-token" not in str(store.tokens)
    found = await SealedTokens(store, Sealer([OTHER, KEY])).get_token("default")
    assert found is not None
    assert (found[0], 59 < found[1] <= 60) == ("the-token", True)


async def test_what_no_key_opens_is_not_there() -> None:
    """A new one is asked for and takes its place."""
    store = MemoryTokens()
    for kept in ("in the clear", Sealer([OTHER]).seal("the-token")):
        await store.put_token("default", kept, 60)
        assert await SealedTokens(store, Sealer([KEY])).get_token("default") is None


async def test_only_the_token_that_failed_is_forgotten() -> None:
    """Another process may have put a better one there meanwhile."""
    store = MemoryTokens()
    tokens = SealedTokens(store, Sealer([KEY]))
    await tokens.put_token("default", "new", 60)
    await tokens.forget_token("default", "old")
    assert await tokens.get_token("default") is not None
    await tokens.forget_token("default", "new")
    await tokens.forget_token("default", "new")
    assert store.tokens == {}


async def test_one_asks_at_a_time() -> None:
    """The lock is the store's own."""
    tokens = SealedTokens(MemoryTokens(), Sealer([KEY]))
    assert [await tokens.lock_token("default", 2) for _ in range(2)] == [True, False]
