"""An agency's sub-merchants: each has a code that goes out with its calls; the agency's credentials have one token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from cryptography.fernet import Fernet

from iamport import merchant_clients
from iamport.merchant_clients import MerchantClients
from ledger.ledger import Ledger
from runtime.encryption import Sealer
from runtime.settings import Settings
from schemas.errors import WrongCredentials
from tests.iamport.conftest import MakeClient
from tests.support.iamport_stub import Asked, Stub, no, payment, well
from tests.support.ledger_driver import queue_url
from tests.support.ledger_state import ledger_state


def _show(asked: Asked) -> bytes:
    if asked.path == "/payments/status/all":
        return well({"total": 0, "previous": 0, "next": 0, "list": []})
    if asked.path.startswith("/payments/prepare"):
        return no(404)
    return well([payment("a")] if asked.imp_uids else payment("a"))


async def _call_everything(stub: Stub, make_client: MakeClient, tier: str | None) -> None:
    stub.reply = _show
    client = make_client(tier=tier)
    await client.payments(["a"])
    await client.payment("a")
    await client.page(0, 1, 1)
    await client.prepared("order")
    await client.cancel("a", {})
    assert len(stub.calls) == 5


async def test_every_call_carries_the_tier(stub: Stub, make_client: MakeClient) -> None:
    """All but the one for a token, which belongs to the agency's credentials."""
    await _call_everything(stub, make_client, "A1b")
    assert {asked.headers.get("tier") for asked in stub.calls} == {"A1b"}
    assert [asked.headers.get("tier") for asked in stub.asked if asked.path == "/users/getToken"] == [None]


async def test_without_a_tier_there_is_no_header(stub: Stub, make_client: MakeClient) -> None:
    """An ordinary merchant sends none, not an empty one."""
    await _call_everything(stub, make_client, None)
    assert {asked.headers.get("tier") for asked in stub.calls} == {None}


class Agency:
    """A ledger with merchants on it, and the accounts that a process opens for them."""

    def __init__(self, ledger: Ledger, accounts: MerchantClients, sealer: Sealer) -> None:
        self.ledger = ledger
        self.accounts = accounts
        self._sealer = sealer

    async def put(self, name: str, secret: str = "secret", tier: str | None = None) -> None:
        """Adds or replaces a merchant of the agency."""
        seal = self._sealer.seal
        await self.ledger.merchants.put(name, imp_key=seal("key"), imp_secret=seal(secret), tier=tier)

    async def look(self, name: str) -> None:
        """One look-up for a merchant."""
        await (await self.accounts.get(name)).client.payments(["a"])


@pytest.fixture
async def agency(redis_url: str, stub: Stub, transport: httpx.AsyncBaseTransport) -> AsyncIterator[Agency]:
    """An agency whose i'mport is the stub."""
    stub.reply = _show
    ledger, sealer = Ledger.connect(redis_url, queue_url(redis_url)), Sealer([Fernet.generate_key().decode()])
    settings = Settings.load({"IMP_API_URL": stub.url})
    yield Agency(ledger, MerchantClients(settings, sealer, transport, ledger.tokens, ledger.merchants.get), sealer)
    await ledger.close()


async def test_merchants_with_the_same_credentials_share_a_token(stub: Stub, agency: Agency, redis_url: str) -> None:
    """Ten sub-merchants that look up at once get one token and store one in Redis, sealed."""
    names = [f"sub-{number}" for number in range(10)]
    for number, name in enumerate(names):
        await agency.put(name, tier=f"S{number:02}")
    await asyncio.gather(*(agency.look(name) for name in names))
    assert stub.tokens_given == 1
    assert sorted(asked.headers["tier"] for asked in stub.calls) == [f"S{number:02}" for number in range(10)]
    async with ledger_state(redis_url) as state:
        (stored,) = await state.iamport_tokens()
    assert "token-1" not in stored


async def test_a_changed_secret_gets_a_token_of_its_own(stub: Stub, agency: Agency) -> None:
    """The token of the old secret is only used by merchants that still have that secret."""
    await agency.put("one", tier="ONE")
    await agency.put("two", tier="TWO")
    await agency.look("one")
    await agency.put("two", secret="rotated", tier="TWO")
    await agency.look("two")
    await agency.look("one")
    assert [asked.headers["authorization"] for asked in stub.calls] == ["token-1", "token-2", "token-1"]


async def test_a_changed_tier_counts_from_the_next_call(stub: Stub, agency: Agency) -> None:
    """A process that has the account open already sends the new code, with the token that it has."""
    for tier in ("OLD", "NEW", None):
        await agency.put("one", tier=tier)
        await agency.look("one")
    assert [asked.headers.get("tier") for asked in stub.calls] == ["OLD", "NEW", None]
    assert stub.tokens_given == 1


async def test_a_deleted_merchants_client_is_dropped(agency: Agency) -> None:
    """A process does not keep what it had made for merchants that are gone."""
    await agency.put("gone", tier="GONE")
    await agency.put("one", tier="ONE")
    for name in ("gone", "one"):
        await agency.look(name)
    await agency.ledger.merchants.delete("gone")
    with pytest.raises(WrongCredentials):
        await agency.look("gone")
    assert list(agency.accounts._clients) == ["one"]


async def test_a_process_keeps_so_many_clients(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of merchants that it hears of no more leave with time, whatever became of them."""
    monkeypatch.setattr(merchant_clients, "MOST_CLIENTS", 2)
    for name in ("one", "two", "three", "two"):
        await agency.put(name)
        await agency.look(name)
    assert list(agency.accounts._clients) == ["three", "two"]
