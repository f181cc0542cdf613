"""The amounts that a merchant expects, where what is asked for them fails."""

from __future__ import annotations

import pytest

from iamport.access_tokens import Credentials
from iamport.client import Client
from iamport.merchant_clients import MerchantClient
from iamport.transport import production_transport
from runtime.settings import Settings
from schemas.errors import LedgerUnavailable
from schemas.payments.snapshot import Snapshot
from tests.support.memory_tokens import MemoryTokens
from tests.support.reasons import because
from tests.workers.merchant_workers import running_merchant
from workers.cold_payments import ColdPayments
from workers.expected_amounts import expected_amounts


class TokensOfRedisAway(MemoryTokens):
    """Tokens in a Redis that cannot be reached."""

    async def get_token(self, name: str) -> tuple[str, float] | None:
        """Raises `LedgerUnavailable`."""
        raise LedgerUnavailable(because(f"Redis is unavailable: no token {name}"))


async def test_a_redis_without_tokens_is_away(redis_url: str) -> None:
    """Registered amounts are asked for several at a time. Where Redis has no token for that, the error is the one that
    workers expect of a Redis that is away, not a group of errors, which they would take for a bug."""
    async with running_merchant(redis_url) as shop:
        await shop.put(check_prepared=True)
        for number in range(7):
            await shop.pay(f"imp_{number}")
        found = {imp_uid: Snapshot.parse(row) for imp_uid, row in shop.shown.items()}
        transport = production_transport()
        client = Client(transport, shop.stub.url, Credentials("key", "secret"), TokensOfRedisAway())
        merchant = MerchantClient(await shop.ledger.merchants.get("default"), client)
        cold = ColdPayments(Settings.load({}), shop.ledger, shop.history)
        with pytest.raises(LedgerUnavailable):
            await expected_amounts(shop.ledger, cold, merchant, dict(found), expects=True, paid=())
        await transport.aclose()
