"""Browsers that have signed in before are known by a cookie that nobody else can make."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from console.web.devices import REMEMBERED, Devices
from runtime.encryption import Sealer
from tests.support.payments import T0


def sealer() -> Sealer:
    """One with a key of its own."""
    return Sealer([Fernet.generate_key().decode()])


def test_a_browser_is_known_by_its_name() -> None:
    """Each has its own, until it is forgotten."""
    devices = Devices(sealer())
    one, other = devices.mark(T0), devices.mark(T0)
    name = devices.known(one, T0 + REMEMBERED - 1)
    assert name
    assert name == devices.known(one, T0)
    assert name != devices.known(other, T0)
    assert devices.known(one, T0 + REMEMBERED) is None


@pytest.mark.parametrize("row", ["[]", '{"purpose":"console session","ends_at":99999999999,"name":"x"}', "no JSON"])
def test_what_is_no_mark_is_not_known(row: str) -> None:
    """Nothing, what others have sealed, and what is sealed for something else, such as a session."""
    mine = sealer()
    devices = Devices(mine)
    for cookie in (None, "", "forged", Devices(sealer()).mark(T0), mine.seal(row)):
        assert devices.known(cookie, T0) is None
