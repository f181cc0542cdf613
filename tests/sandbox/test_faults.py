"""Faults are switched on and off, and the relay's client meets each as the error it should be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from iamport.client import Client
from iamport.tokens import Credentials
from iamport.transport import production_transport
from schemas.errors import (
    IamportError,
    IamportFailing,
    IamportRefused,
    IamportUnreachable,
    MalformedPayment,
    TooMuchAsked,
    WrongCredentials,
)
from tests.sandbox.conftest import KEY, SECRET, SandboxClient
from tests.support.memory_tokens import MemoryTokens


@pytest.fixture
async def client(iamport: SandboxClient) -> AsyncIterator[Client]:
    """The relay's own client against the sandbox."""
    transport = production_transport()
    url = str(iamport.http.base_url)
    yield Client(transport, url, Credentials(KEY, SECRET), MemoryTokens(), timeout=2.0)
    await transport.aclose()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503}, IamportFailing),
        ({"status": 429, "retry_after": 7}, IamportUnreachable),
        ({"timeout": True}, TooMuchAsked),
        ({"slow": 3}, TooMuchAsked),
        ({"html": True}, IamportFailing),
        ({"code": -5, "message": "busy"}, IamportRefused),
        ({"poison": {"a": "error"}}, IamportFailing),
        ({"poison": {"a": "refused"}}, IamportRefused),
    ],
)
async def test_each_fault_is_its_error(
    iamport: SandboxClient, client: Client, fault: dict[str, Any], error: type[IamportError]
) -> None:
    """While a fault is on a look-up fails as it should; off again, it does well."""
    await iamport.make(imp_uid="a", status="paid")
    await client.payment("a")
    await iamport.control("POST", "/faults", fault)
    with pytest.raises(IamportError) as raised:
        await client.payments(["a"])
    assert type(raised.value) is error
    await iamport.control("DELETE", "/faults")
    assert set((await client.payments(["a"])).found) == {"a"}


async def test_retry_after_arrives(iamport: SandboxClient, client: Client) -> None:
    """A 429 says how long to wait."""
    await iamport.control("POST", "/faults", {"status": 429, "retry_after": 7})
    with pytest.raises(IamportUnreachable) as raised:
        await client.payments(["a"])
    assert raised.value.retry_after == 7


async def test_revoked_credentials(iamport: SandboxClient, client: Client) -> None:
    """Revoked in mid-use: first the token, then the credentials are turned down."""
    await iamport.make(imp_uid="a")
    await client.payment("a")
    await iamport.control("POST", "/faults", {"revoked": True})
    with pytest.raises(WrongCredentials):
        await client.payment("a")
    await iamport.control("POST", "/faults", {})
    assert await client.payment("a") is not None


async def test_an_expired_token_is_no_trouble(iamport: SandboxClient, client: Client) -> None:
    """A token that ends in mid-batch is renewed and the batch asked again."""
    await iamport.make(imp_uid="a")
    await client.payment("a")
    await iamport.control("POST", "/faults", {"expired_token": True})
    assert set((await client.payments(["a"])).found) == {"a"}
    asked = await iamport.control("GET", "/requests")
    assert asked["paths"]["POST /users/getToken"] == 2
    assert [entry["status_code"] for entry in asked["requests"] if entry["path"] == "/payments"] == [401, 200]


@pytest.mark.parametrize("kind", ["row", "nameless", "other", "twice"])
async def test_a_poisonous_row(iamport: SandboxClient, client: Client, kind: str) -> None:
    """One bad row among a hundred is malformed alone."""
    ids = [f"imp_{n}" for n in range(100)]
    for imp_uid in ids:
        await iamport.make(imp_uid=imp_uid)
    await iamport.control("POST", "/faults", {"poison": {"imp_50": kind}})
    looked = await client.payments(ids)
    assert (len(looked.found), set(looked.malformed), looked.unknown) == (99, {"imp_50"}, frozenset())


async def test_an_answer_about_another_payment(iamport: SandboxClient, client: Client) -> None:
    """Singly, in a list and after a cancellation, too: what was asked for is never taken for unknown, or for done."""
    now = int(time.time())
    await iamport.make(imp_uid="a", status="paid", amount=1000, paid_at=now)
    await iamport.control("POST", "/faults", {"poison": {"a": "other"}})
    with pytest.raises(MalformedPayment):
        await client.payment("a")
    assert [row["imp_uid"] for row in (await client.page(now - 5, now + 5, 1)).rows] == ["imp_other_a"]
    with pytest.raises(IamportFailing, match="not about a"):
        await client.cancel("a", {"checksum": 1000})


async def test_only_so_often_and_only_there(iamport: SandboxClient, client: Client) -> None:
    """A fault can hit the next requests only, and some paths only."""
    await iamport.make(imp_uid="a")
    await iamport.control("POST", "/faults", {"status": 500, "times": 1, "paths": ["/payments"]})
    with pytest.raises(IamportFailing):
        await client.payment("a")
    assert await client.payment("a") is not None


async def test_acting_and_then_failing(iamport: SandboxClient, client: Client) -> None:
    """A cancellation that happened although its answer was lost: the caller cannot know."""
    await iamport.make(imp_uid="a", status="paid", amount=1000)
    await client.payment("a")
    await iamport.control("POST", "/faults", {"status": 502, "after": True, "paths": ["/payments/cancel"]})
    with pytest.raises(IamportFailing) as raised:
        await client.cancel("a", {"checksum": 1000})
    assert not isinstance(raised.value, IamportUnreachable)
    found = await client.payment("a")
    assert found is not None
    assert found["cancel_amount"] == 1000


async def test_a_bad_fault_is_refused(iamport: SandboxClient) -> None:
    """A fault that is none is 422 and changes nothing."""
    answer = await iamport.http.post("/_sandbox/faults", json={"staus": 500})
    assert answer.status_code == 422
    assert (await iamport.control("GET", "/faults"))["status"] is None


async def test_requests_are_logged(iamport: SandboxClient, client: Client) -> None:
    """A hundred payments asked for in one look-up are one request with a hundred ids; forgetting starts over."""
    ids = [f"imp_{n}" for n in range(100)]
    await client.payments(ids)
    asked = await iamport.control("DELETE", "/requests")
    assert asked["paths"] == {"GET /payments": 1, "POST /users/getToken": 1}
    assert asked["requests"][-1]["imp_uids"] == ids
    assert (await iamport.control("GET", "/requests"))["count"] == 0


async def test_the_client_and_the_sandbox_agree(iamport: SandboxClient, client: Client) -> None:
    """Pages, cancellations and prepared amounts work between the two."""
    made = await iamport.make(imp_uid="a", merchant_uid="o/1", status="paid", amount=1000, paid_at=1_700_000_000)
    page = await client.page(1_700_000_000, 1_700_000_000, 1)
    assert (page.total, page.next, page.rows) == (1, 0, (made,))
    assert (await client.page(1_700_000_000, 1_700_000_000, 2)).rows == ()
    assert (await client.cancel("a", {"amount": 400, "checksum": 1000}))["cancel_amount"] == 400
    with pytest.raises(IamportRefused, match="일치하지"):
        await client.cancel("a", {"amount": 400, "checksum": 1000})
    await iamport.control("PUT", "/prepared/o%2F1", {"amount": 1000})
    assert await client.prepared("o/1") == {"merchant_uid": "o/1", "amount": 1000, "currency": "KRW"}
    assert await client.prepared("other") is None
