"""Secrets are planted everywhere, everything that can go wrong with them goes wrong, and then nobody finds them."""

from __future__ import annotations

import time
from typing import Any

import redis.asyncio

from tests.support.clients import http_client
from tests.support.redis_contents import readable
from tests.support.relay import KEY, TOKEN, Relay
from tests.support.relay_fixtures import StartRelay

IMP_SECRET, OTHER_SECRET = "planted-imp-secret-1", "planted-imp-secret-2"
OTHER_KEY, WEBHOOK_TOKEN, HEADER = "planted-imp-key-2", "planted-webhook-token", "planted-header-value"
WRONG = "planted-wrong-token"
CARD, BUYER, EMAIL, PHONE = "4012888888881881", "임꺽정", "planted@example.net", "010-9876-5432"
PRIVATE = {
    "card_number": CARD, "buyer_name": BUYER, "buyer_email": EMAIL, "buyer_tel": PHONE, "vbank_holder": BUYER,
    "custom_data": f'{{"card":"{CARD}"}}', "name": f"for {BUYER}",
}  # fmt: skip


async def test_secrets_are_in_no_log_and_not_in_the_clear_in_redis(
    start_relay: StartRelay, one_redis: dict[str, str]
) -> None:
    """What every process printed and every value in Redis holds none of the secrets; logs know no buyers and no cards,
    and no answer of the operator API repeats a secret after the one that gave it."""
    relay = await start_relay(**one_redis, IMP_SECRET=IMP_SECRET, RELAY_LOG_LEVEL="debug")
    created = await relay.endpoint(headers={"x-planted": HEADER}, description="d")
    kept = await _kept_answer(relay)
    answers = [await _merchant(relay), *(await _reads(relay, created["id"]))]
    relay.subscriber.reply = lambda count: (500 if count < 3 else 200, 0)
    await _webhooks(relay)
    await relay.until_received(*["paid"] * 3)

    secrets = [
        IMP_SECRET, OTHER_SECRET, OTHER_KEY, WEBHOOK_TOKEN, HEADER, TOKEN, KEY, created["secret"],
        created["secret"].removeprefix("whsec_"), kept, kept.removeprefix("whsec_"), await _access_token(relay),
    ]  # fmt: skip
    printed = "\n".join(each.output for each in (relay.receiver, relay.worker, relay.console))
    assert '"imp_planted"' in printed
    assert [each for each in (*secrets, WRONG, CARD, BUYER, EMAIL, PHONE) if each in printed] == []
    stored = await _everything(one_redis["REDIS_URL"])
    assert b"imp_planted" in stored
    assert [each for each in secrets if each.encode() in stored] == []
    assert [each for each in secrets if any(each in answer for answer in answers)] == []


async def _access_token(relay: Relay) -> str:
    """The one that the workers have: i'mport gives the same again until it ends."""
    async with http_client(relay.url("sandbox")) as client:
        credentials = {"imp_key": "key", "imp_secret": IMP_SECRET}
        answer = (await client.post("/users/getToken", json=credentials)).raise_for_status()
    return str(answer.json()["response"]["access_token"])


async def _merchant(relay: Relay) -> str:
    """A merchant with credentials of its own, that i'mport turns down; asked for twice under one key."""
    body = {"imp_key": OTHER_KEY, "imp_secret": OTHER_SECRET, "webhook_token": WEBHOOK_TOKEN}
    answer = await relay.api.put("/v1/merchants/planted", json=body)
    assert answer.status_code in (200, 201), answer.text
    assert (await relay.intake.post(f"/webhooks/planted/{WEBHOOK_TOKEN}", json={"imp_uid": "imp_2"})).status_code == 200
    return answer.text


async def _kept_answer(relay: Relay) -> str:
    """The secret in an answer that is kept under its Idempotency-Key."""
    body = {
        "merchant": "default", "url": f"{relay.subscriber.url}2", "headers": {"x-planted": HEADER},
        "types": ["endpoint.failing"],
    }  # fmt: skip
    created = await relay.api.post("/v1/endpoints", json=body, headers={"idempotency-key": "k"})
    assert created.status_code == 201, created.text
    return str(created.json()["secret"])


async def _reads(relay: Relay, endpoint: str) -> list[str]:
    """Everything that shows merchants and endpoints, and requests that are wrong in ways that concern secrets."""
    body = {
        "merchant": "default",
        "url": relay.subscriber.url,
        "headers": {"x-planted": HEADER},
        "types": ["relay.none"],
    }
    answers = [
        await relay.api.get(f"/v1/endpoints/{endpoint}"),
        await relay.api.get("/v1/endpoints"),
        await relay.api.get("/v1/merchants"),
        await relay.api.get("/v1/merchants/planted"),
        await relay.api.post("/v1/endpoints", json=body),
        await relay.api.put("/v1/merchants/planted", json={"imp_key": OTHER_KEY, "imp_secret": [OTHER_SECRET]}),
        await relay.api.put("/v1/merchants/planted", content=f'{{"imp_secret":"{OTHER_SECRET}",'.encode()),
        await relay.api.get("/v1/merchants", headers={"authorization": f"Bearer {WRONG}"}),
        await relay.api.get(f"/{WRONG}", params={"token": WRONG}),
    ]
    return [answer.text for answer in answers]


async def _webhooks(relay: Relay) -> None:
    """A payment with a buyer and a card, announced with more than i'mport would say, also at wrong addresses."""
    paid: dict[str, Any] = {"status": "paid", "paid_at": int(time.time()), "amount": 1004}
    await relay.payment_at_iamport(imp_uid="imp_planted", **paid, **PRIVATE)
    extra: dict[str, Any] = {"buyer": PRIVATE, "secret": WRONG}
    assert (await relay.webhook("imp_planted", **extra)).status_code == 200
    assert (await relay.webhook(f"status/{WRONG}", **extra)).status_code == 400
    assert (await relay.intake.post("/webhooks", content=f"{CARD} {BUYER}".encode())).status_code in (400, 415)
    assert (await relay.intake.post(f"/webhooks/default/{WRONG}", json={"imp_uid": "imp_1"})).status_code == 404
    assert (await relay.intake.post(f"/webhooks/planted/{WRONG}", json={"imp_uid": "imp_1"})).status_code == 404


async def _everything(redis_url: str) -> bytes:
    """Every key and value of every database, in a row."""
    parts: list[bytes] = []
    for database in (0, 1):
        connected: Any = redis.asyncio.from_url(redis_url.removesuffix("/0") + f"/{database}")
        async with connected as client:
            parts.append(await readable(client))
    return b"\n".join(parts)
