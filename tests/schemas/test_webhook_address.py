"""What the address of a merchant's webhooks consists of."""

from __future__ import annotations

import re

import pytest

from schemas.webhook_address import DEFAULT_MERCHANT, MERCHANT_NAME, token_hash


@pytest.mark.parametrize("name", [DEFAULT_MERCHANT, "shop.1", "A-b_c", "0", "a" * 64])
def test_a_merchants_name_is_a_part_of_a_path(name: str) -> None:
    """It needs no percent-encoding."""
    assert re.fullmatch(MERCHANT_NAME, name)


@pytest.mark.parametrize("name", ["", ".", "..", "-", "_x", "a/b", "a b", "비밀", "a" * 65])
def test_other_names_are_none(name: str) -> None:
    """Nothing that a client removes from a path, or that is too long."""
    assert re.fullmatch(MERCHANT_NAME, name) is None


def test_a_tokens_hash_is_its_sha256() -> None:
    """A ledger keeps it for years, so it never changes."""
    assert token_hash(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
