"""An encryption key is changed: everything is sealed with the new one, and the old one can be taken away."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
from cryptography.fernet import Fernet

from runtime.encryption import Sealer
from schemas.endpoints.endpoint import Endpoint, SealedSecret
from tests.console.conftest import KEY, READ_ONLY, Console, running
from tests.support.ledger_state import ledger_state

NEW, OTHER = (Fernet.generate_key().decode() for _ in range(2))
BOTH = {"RELAY_ENCRYPTION_KEY": f"{NEW},{KEY}"}
SHOP = {"imp_key": "1234567890123", "imp_secret": "planted"}


async def sealed_things(console: Console) -> dict[str, Any]:
    """A merchant, an endpoint with a header whose secret was rotated, and one that was deleted; the secrets."""
    await console.call("PUT", "/v1/merchants/shop", SHOP)
    endpoint = await console.endpoint(merchant="shop", headers={"x-key": "planted"})
    await console.call("POST", f"/v1/endpoints/{endpoint['id']}/secret/rotate", {"overlap": "1h"})
    gone = await console.endpoint()
    await console.call("DELETE", f"/v1/endpoints/{gone['id']}")
    secrets = (await console.call("GET", f"/v1/endpoints/{endpoint['id']}/secret")).json()
    return {"id": endpoint["id"], "secrets": secrets}


async def resealed(console: Console) -> Any:
    """What resealing answers."""
    answer = await console.call("POST", "/v1/keys/reseal")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_old_key_can_be_taken_away_afterwards(redis_url: str) -> None:
    """Credentials, headers and both secrets open with the new key alone; a second time there is nothing to do."""
    async with running(redis_url, {}) as console:
        before = await sealed_things(console)
    async with running(redis_url, BOTH) as console:
        assert await resealed(console) == {"merchants": 1, "endpoints": 1, "unreadable": []}
        assert await resealed(console) == {"merchants": 0, "endpoints": 0, "unreadable": []}
    async with running(redis_url, {"RELAY_ENCRYPTION_KEY": NEW}) as console:
        shown = (await console.call("GET", f"/v1/endpoints/{before['id']}/secret")).json()
        assert shown == before["secrets"]
        assert len(shown["previous"]) == 1
        assert list((await console.call("GET", f"/v1/endpoints/{before['id']}")).json()["headers"]) == ["x-key"]
        row = await console.ledger.merchants.get("shop")
        assert Sealer([NEW]).open(row.imp_secret) == "planted"
        assert (await console.call("GET", "/v1/merchants/shop")).json()["imp_key"] == "1234…"


async def test_what_no_key_opens_is_named(redis_url: str) -> None:
    """It stays as it is, and the rest is sealed anew all the same."""
    async with running(redis_url, {"RELAY_ENCRYPTION_KEY": OTHER}, opened=False) as console:
        await console.call("PUT", "/v1/merchants/lost", SHOP)
        lost = await console.endpoint(merchant="lost")
    async with running(redis_url, {}) as console:
        await sealed_things(console)
    async with running(redis_url, BOTH) as console:
        told = await resealed(console)
        assert (told["merchants"], told["endpoints"]) == (1, 1)
        assert sorted(told["unreadable"]) == sorted(["merchant lost", f"endpoint {lost['id']}"])


async def test_an_expired_secret_needs_no_key(redis_url: str) -> None:
    """It signs nothing any more and leaves, whether its key is still there or not."""
    async with running(redis_url, {"RELAY_ENCRYPTION_KEY": f"{KEY},{OTHER}"}) as console:
        endpoint = await console.endpoint()
        stored = (await console.ledger.endpoints.get(endpoint["id"])).endpoint.secrets[0]
        expired = SealedSecret(Sealer([OTHER]).seal("whsec_old"), expires_at=1.0)
        await console.ledger.endpoints.update(endpoint["id"], lambda one: _with(one, stored, expired))
    async with running(redis_url, BOTH) as console:
        assert (await resealed(console))["unreadable"] == []
        (left,) = (await console.ledger.endpoints.get(endpoint["id"])).endpoint.secrets
        assert Sealer([NEW]).open(left.sealed) == endpoint["secret"]


async def test_what_others_write_meanwhile_stays(redis_url: str) -> None:
    """Credentials and secrets that are replaced while everything is sealed anew are the new ones afterwards."""
    async with running(redis_url, {}) as console:
        before = await sealed_things(console)
    async with running(redis_url, BOTH) as console:

        async def change() -> httpx.Response:
            await console.call("PUT", "/v1/merchants/shop", {**SHOP, "imp_secret": "newer"})
            return await console.call("POST", f"/v1/endpoints/{before['id']}/secret/rotate", {})

        *_, rotated = await asyncio.gather(*(resealed(console) for _ in range(5)), change())
        assert Sealer([NEW]).open((await console.ledger.merchants.get("shop")).imp_secret) == "newer"
        shown = (await console.call("GET", f"/v1/endpoints/{before['id']}/secret")).json()
        assert shown["secret"] == rotated.json()["secret"]


async def test_a_merchant_is_sealed_anew_only_as_it_was_read(console: Console, redis_url: str) -> None:
    """Somebody who was quicker wins."""
    await console.ledger.merchants.put("shop", imp_key="k1", imp_secret="s1", token_hash="h")
    read = await console.ledger.merchants.get("shop")
    assert await console.ledger.merchants.reseal(read, imp_key="k2", imp_secret="s2")
    assert not await console.ledger.merchants.reseal(read, imp_key="k3", imp_secret="s3")
    now = await console.ledger.merchants.get("shop")
    assert (now.imp_key, now.imp_secret, now.token_hash) == ("k2", "s2", "h")
    await console.ledger.merchants.delete("shop")
    assert not await console.ledger.merchants.reseal(now, imp_key="k4", imp_secret="s4")
    async with ledger_state(redis_url) as state:
        assert await state.merchant("shop") == {}


async def test_readers_change_no_keys(console: Console) -> None:
    """Not for a read-only token."""
    answer = await console.call("POST", "/v1/keys/reseal", headers={"authorization": f"Bearer {READ_ONLY}"})
    assert answer.status_code == 403


def _with(endpoint: Endpoint, *secrets: SealedSecret) -> Endpoint:
    return replace(endpoint, secrets=secrets)
