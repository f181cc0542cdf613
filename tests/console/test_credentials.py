"""Are a merchant's credentials right, before a webhook comes that needs them?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.console.conftest import Console, running
from tests.support.iamport_stub import Stub, always, no


@pytest.fixture
async def console(redis_url: str, stub: Stub) -> AsyncIterator[Console]:
    """A console whose i'mport is the stub."""
    async with running(redis_url, {"IMP_API_URL": stub.url, "IMP_KEY": "key", "IMP_SECRET": "secret"}) as console:
        yield console


async def outcome(console: Console) -> str:
    """What trying the default merchant's credentials gives."""
    answer = await console.call("GET", "/v1/merchants/default/check")
    assert answer.status_code == 200
    assert (answer.json()["outcome"] == "ok") == (answer.json()["reason"] is None)
    return str(answer.json()["outcome"])


async def test_right_credentials_are_ok(console: Console) -> None:
    """i'mport knows no such order, but it accepts the credentials."""
    assert await outcome(console) == "ok"
    assert (await console.call("GET", "/v1/merchants/nobody/check")).status_code == 404


async def test_wrong_credentials_are_told(console: Console, stub: Stub) -> None:
    """No webhook is needed to find out."""
    stub.token = lambda: no(401, "wrong key")
    assert await outcome(console) == "wrong_credentials"


async def test_an_iamport_that_fails_says_nothing_of_credentials(console: Console, stub: Stub) -> None:
    """A 500 is i'mport's trouble, not the merchant's."""
    stub.reply = always(no(500))
    assert await outcome(console) == "failing"
