"""Redis loses everything: whoever works with it waits, and `relay restore` puts back what history has."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import redis

from schemas import wire
from tests.support.histories import until_recorded
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.relay_fixtures import relay_with_own_redis

relay = relay_with_own_redis(RELAY_RETRY_SCHEDULE=",".join(["500ms"] * 300))
"""What is to be delivered must not be given up before it is put back, on a busy machine either."""
DAMAGED = b"\x28\xb5\x2f\xfd??"
"""The beginning of a compressed object, and no more."""


async def restore(relay: Relay, *options: str, status: int = 0) -> Any:
    """What `relay restore --json` prints."""
    process = relay.start_process("cli.main", "restore", "--json", *options)
    assert await process.ended() == status, process.output
    return wire.loads(process.lines[-1].encode()) if status == 0 else process.output


async def lose(relay: Relay, own_redis: RedisServer) -> None:
    """Empty Redis as soon as history has everything."""
    await until_recorded(relay.ledger)
    with redis.Redis.from_url(own_redis.url) as client:
        client.flushall()


async def test_everything_goes_on(relay: Relay, own_redis: RedisServer) -> None:
    """Open payments, held and waiting deliveries, endpoints with their secrets and pending webhooks are there again;
    nothing is announced twice, and sequences go on."""
    await relay.merchant("shop", webhook_token="word")
    await relay.endpoint()
    held = await relay.subscribe()
    paid = [await relay.paid() for _ in range(3)]
    vbank = {"status": "ready", "pay_method": "vbank", "vbank_num": "123", "vbank_date": int(time.time()) + 900}
    issued = (await relay.payment_at_iamport(imp_uid="imp_vbank", **vbank))["imp_uid"]
    await relay.webhook(issued, "ready")
    await relay.until_recorded(issued, "virtual_account_issued")
    await relay.until(lambda: len(held.types()) == 4, "all is delivered")

    endpoints = {row["url"]: row["id"] for row in (await relay.api.get("/v1/endpoints")).json()["data"]}
    await relay.api.post(f"/v1/endpoints/{endpoints[held.url]}/disable")
    late = await relay.paid()
    await relay.until(lambda: len(relay.subscriber.types()) == 5, "the other one has it")
    before = await endpoints_of(relay)
    await lose(relay, own_redis)

    await relay.worker.logged("ledger_away")
    spooled = "imp_spooled"
    await relay.payment_at_iamport(imp_uid=spooled, status="paid", paid_at=int(time.time()))
    assert (await relay.webhook(spooled)).status_code == 200
    assert (await relay.api.put("/v1/merchants/other", json={"imp_key": "k", "imp_secret": "s"})).status_code == 503
    await asyncio.sleep(2)
    lines = relay.worker.logs("ledger_away")
    assert len(lines) <= 2
    assert "relay restore" in lines[-1]["error"]

    ready = await relay.api.get("/readyz")
    assert (ready.status_code, ready.json()["ledger"]["reason_code"]) == (503, "ledger_lost")
    doctor = relay.start_process("cli.main", "doctor", "--no-test")
    assert await doctor.ended() == 1
    assert "run `relay restore`" in doctor.output

    answer = await restore(relay)
    assert answer["put_back"] == {
        "merchants": 2, "endpoints": 2, "orders": 0, "payments": 5, "deliveries": 1, "notifications": 0, "replays": 0,
        "reconciliations": 0,
    }  # fmt: skip
    assert any(command.startswith("relay reconcile --merchant shop --since ") for command in answer["compare"])
    assert await endpoints_of(relay) == before

    await relay.until_recorded(spooled, "paid")
    await relay.until(lambda: relay.subscriber.types(spooled), "it is delivered")
    await relay.api.post(f"/v1/endpoints/{endpoints[held.url]}/enable")
    await relay.until(lambda: held.types(late) == ["paid"], "what was held is delivered")
    await relay.payment_at_iamport(imp_uid=issued, status="paid", paid_at=int(time.time()))
    await relay.webhook(issued)
    await relay.until_recorded(issued, "virtual_account_issued", "paid")
    await relay.until(lambda: relay.subscriber.types(issued)[-1] == "paid", "it is delivered")
    assert [relay.subscriber.types(one) for one in paid] == [["paid"]] * 3
    assert (await relay.ledger.payments.get("default", paid[0])).status == "paid"
    assert (await restore(relay, status=1)).endswith("history is put back only into one that is")


async def endpoints_of(relay: Relay) -> list[dict[str, Any]]:
    """The endpoints, as operators see them."""
    rows = (await relay.api.get("/v1/endpoints")).json()["data"]
    return [{name: value for name, value in row.items() if name != "success_rate"} for row in rows]


async def test_it_goes_on_where_it_was_interrupted(relay: Relay, own_redis: RedisServer) -> None:
    """Killed at any moment and run again, it puts back all of it, once."""
    await relay.endpoint()
    relay.subscriber.reply = lambda _count: (500, 0)
    paid = [await relay.paid() for _ in range(12)]
    await lose(relay, own_redis)
    await relay.worker.logged("ledger_away")
    for seconds in (0.9, 1.1, 1.3):
        process = relay.start_process("cli.main", "restore", "--json")
        await asyncio.sleep(seconds)
        await process.kill()
    process = relay.start_process("cli.main", "restore", "--json")
    if await process.ended() != 0:
        assert "not empty" in process.output  # the one before was done already
    relay.subscriber.reply = lambda _count: (200, 0)

    async def is_delivered() -> bool:
        ids = [event["id"] for event in await events(relay, paid)]
        found = [await relay.ledger.deliveries.of_event(event) for event in ids]
        return all(rows and rows[0].state == "delivered" for rows in found)

    await relay.until(is_delivered, "all is delivered")
    assert [await relay.event_types(imp_uid) for imp_uid in paid] == [["paid"]] * 12


async def test_what_is_damaged_stops_nothing_else(relay: Relay, own_redis: RedisServer, tmp_path: Path) -> None:
    """What cannot be read any more is named with what to do about it; all others are back."""
    endpoint = await relay.endpoint()
    lost_endpoint = await relay.endpoint(url="http://127.0.0.1:9/")
    relay.subscriber.reply = lambda _count: (500, 0)
    paid = [await relay.paid() for _ in range(5)]
    await lose(relay, own_redis)
    await relay.worker.logged("ledger_away")
    with closing(sqlite3.connect(tmp_path / "var" / "history.db", isolation_level=None)) as history:
        history.execute("UPDATE payment SET record = ? WHERE imp_uid = ?", (DAMAGED, paid[0]))
        history.execute("UPDATE payment SET record = ? WHERE imp_uid = ?", (b'{"fields":{}}', paid[1]))
        history.execute("UPDATE event SET body = ? WHERE imp_uid = ?", (DAMAGED, paid[2]))
        history.execute("UPDATE endpoint SET row = ? WHERE id = ?", (b"\xc1", lost_endpoint["id"]))
    process = relay.start_process("cli.main", "restore", "--json")
    assert await process.ended() == 1, process.output
    answer = wire.loads(next(line for line in process.lines if line.startswith('{"put_back"')).encode())
    assert (answer["put_back"]["payments"], answer["put_back"]["endpoints"]) == (2, 1)
    named = {(one["what"], one["merchant"], one["id"]) for one in answer["damaged"]}
    assert named == {
        *(("payment", "default", imp_uid) for imp_uid in paid[:3]), ("endpoint", "default", lost_endpoint["id"]),
    }  # fmt: skip
    assert all(one["why"] and one["advice"] for one in answer["damaged"])
    await relay.until(relay.ledger.is_open, "it is open")
    relay.subscriber.reply = lambda _count: (200, 0)
    for imp_uid in paid[3:]:
        (event,) = await relay.events(imp_uid)
        await relay.api.post(f"/v1/deliveries/{event['id']}.{endpoint['id']}/retry")
    await relay.until(lambda: all(relay.subscriber.types(one) for one in paid[3:]), "the others are delivered")
    (entry,) = (await relay.api.get("/v1/audit?action=ledger.restore")).json()["data"]
    assert (entry["actor"], entry["detail"]["damaged"]) == ("command line", 4)


async def test_beginning_anew(relay: Relay, own_redis: RedisServer) -> None:
    """Nothing is put back; what is set up again works beside the old history, whose payments are not announced again,
    and sequences of new payments are above all that were used. Webhooks that waited are rejected."""
    await relay.endpoint()
    old = await relay.paid()
    await relay.until_received("paid", imp_uid=old)
    await relay.faults(status=503, times=None)
    await relay.webhook("imp_waits")
    await lose(relay, own_redis)
    await relay.worker.logged("ledger_away")
    assert "--yes" in await restore(relay, "--begin-anew", status=2)
    assert (await restore(relay, "--begin-anew", "--yes"))["put_back"]["merchants"] == 0
    await relay.until(relay.ledger.is_open, "it is open")
    (given_up,) = await relay.list_all("/v1/notifications", imp_uid="imp_waits")
    assert (given_up["outcome"], "begun anew" in given_up["reason"]) == ("rejected", True)
    await relay.faults()
    await relay.endpoint()
    new = await relay.paid()
    await relay.until(lambda: relay.subscriber.types(new), "it is delivered")
    assert (await relay.events(new))[0]["data"]["sequence"] > 1_000_000_000
    assert relay.subscriber.types(old) == ["paid"]


async def events(relay: Relay, imp_uids: list[str]) -> list[dict[str, Any]]:
    """The events of these payments."""
    return [event for imp_uid in imp_uids for event in await relay.events(imp_uid)]
