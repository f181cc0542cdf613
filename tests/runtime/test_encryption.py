"""Sealed texts open with the keys they should, and show nothing."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from runtime.encryption import Sealer
from schemas.errors import BadSetting, Unreadable

FIRST, SECOND = (Fernet.generate_key().decode() for _ in range(2))


@given(st.text(st.characters(codec="utf-8")))
def test_there_and_back(text: str) -> None:
    """What was sealed opens as it was, and the sealed form is plain ASCII."""
    sealed = Sealer([FIRST]).seal(text)
    assert sealed.isascii()
    assert Sealer([FIRST]).open(sealed) == text


def test_change_of_keys() -> None:
    """A new key in front seals what comes; the old one behind it still opens what is there."""
    sealed = Sealer([FIRST]).seal("planted")
    both = Sealer([SECOND, FIRST])
    assert both.open(sealed) == "planted"
    assert Sealer([SECOND]).open(both.seal("new")) == "new"


OTHERS = Fernet(SECOND).encrypt_at_time(b"planted", 1_795_000_000).decode()


DAMAGED = {"empty": "", "short": "x", "cut": "gAAAA", "korean": "한", "clear": "planted", "another key's": OTHERS}


@pytest.mark.parametrize("sealed", DAMAGED.values(), ids=DAMAGED.keys())
def test_unreadable(sealed: str) -> None:
    """What no key opens is said to be so, without repeating it."""
    with pytest.raises(Unreadable) as caught:
        Sealer([FIRST]).open(sealed)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("keys", [[], [""], ["planted"], [FIRST, "planted"], ["한"]])
def test_bad_keys(keys: list[str]) -> None:
    """No key, or what is none, is a bad setting; its text does not repeat a key."""
    with pytest.raises(BadSetting, match="RELAY_ENCRYPTION_KEY") as caught:
        Sealer(keys)
    assert "planted" not in str(caught.value)
    assert FIRST not in str(caught.value)


def test_repr_shows_no_key() -> None:
    """A sealer can be printed."""
    assert FIRST not in repr(Sealer([FIRST]))


def test_sealed_anew() -> None:
    """With the first key, and only where it was not: the same text comes back for what needs nothing done."""
    old = Sealer([FIRST]).seal("planted")
    both = Sealer([SECOND, FIRST])
    fresh = both.reseal(old)
    assert Sealer([SECOND]).open(fresh) == "planted"
    assert both.reseal(fresh) == fresh
    assert both.reseal("") == ""
    with pytest.raises(Unreadable):
        Sealer([SECOND]).reseal(old)
