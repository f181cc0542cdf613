"""A buyer asks to be forgotten: nothing of them is left anywhere, and nothing else is lost."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from history import History
from runtime.history_url import parse
from schemas import wire
from tests.support import postgres
from tests.support.histories import until_recorded
from tests.support.http_server import Connection, Request
from tests.support.ledger_redis import redis_of
from tests.support.processes import Processes
from tests.support.redis_contents import readable
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.subscribers import RecordingSubscriber
from tests.support.vacuum import vacuum

NAME, ACCOUNT = "홍길동전우치", "98765432101234"
BUYER = {
    "buyer_name": NAME, "buyer_email": "forget-me@example.com", "buyer_tel": "010-9876-5432",
    "custom_data": '{"for": "forget-me-too"}', "card_number": "5432-****-****-9876",
}  # fmt: skip
PLANTED = (NAME, ACCOUNT, "forget-me", "9876-5432", "5432-****")


@pytest.fixture(params=["sqlite", "postgresql"])
async def relay(
    request: pytest.FixtureRequest, processes: Processes, own_redis: RedisServer, free_port: Callable[[], int],
    tmp_path: Path,
) -> AsyncIterator[Relay]:  # fmt: skip
    """A relay with a Redis of its own and each kind of history, whose files can be read."""
    if request.param == "sqlite":
        relay = Relay(processes, own_redis.url, free_port, {"RELAY_HISTORY_URL": f"sqlite:///{tmp_path}/history/h.db"})
        (tmp_path / "history").mkdir()
        await relay.start()
        yield relay
        await relay.stop()
        return
    with postgres.installed(free_port) as server:
        (tmp_path / "postgres").symlink_to(server.directory / "data")
        relay = Relay(processes, own_redis.url, free_port, {"RELAY_HISTORY_URL": server.create("erasing")})
        await relay.start()
        yield relay
        await relay.stop()


class Echo(RecordingSubscriber):
    """Repeats the buyer's name in its answers."""

    status = 200

    async def answer(self, request: Request, connection: Connection) -> None:
        """Answer with the buyer's name."""
        body = NAME.encode()
        await connection.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)


def found_in(data: bytes) -> list[str]:
    """What is planted in these bytes, as text in UTF-8 or as JSON escapes it."""
    return [
        one for one in PLANTED if one.encode() in data or wire.dumps(one).strip(b'"') in data
    ]  # fmt: skip


async def test_nothing_of_a_buyer_is_left(relay: Relay, own_redis: RedisServer, tmp_path: Path) -> None:
    """Neither in Redis nor in its files, neither in history nor in its files nor in what is exported; amounts, ids and
    times are what they were, later looks bring nothing back, and the account is not announced again."""
    subscriber = Echo()
    await subscriber.start()
    await relay.endpoint(url=subscriber.url)
    vbank = {
        "status": "ready", "pay_method": "vbank", "vbank_num": ACCOUNT, "vbank_holder": NAME, "amount": 1004,
        "vbank_date": int(time.time()) + 900, **BUYER,
    }  # fmt: skip
    imp_uid = (await relay.payment_at_iamport(imp_uid="imp_erase", **vbank))["imp_uid"]
    await relay.webhook(imp_uid, "ready", buyer=NAME)
    await relay.until(lambda: subscriber.types(imp_uid), "it is announced")
    await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()))
    subscriber.status = 500
    await relay.webhook(imp_uid)
    await relay.until_recorded(imp_uid, "virtual_account_issued", "paid")
    assert (await relay.api.post(f"/v1/payments/{imp_uid}/erase", json={"reason": "asked"})).status_code == 409
    subscriber.status = 200

    async def is_delivered() -> bool:
        rows = await relay.list_all("/v1/deliveries")
        return len(rows) == 2 and all(row["state"] == "delivered" for row in rows)

    await relay.until(is_delivered, "all is delivered")
    before = await relay.payment(imp_uid)
    assert found_in(wire.dumps(before))
    assert found_in(await readable(redis_of(relay.ledger)))
    await until_recorded(relay.ledger)

    answer = await relay.api.post(f"/v1/payments/{imp_uid}/erase", json={"reason": "asked"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["erased_at"]
    assert (await relay.api.post("/v1/payments/imp_none/erase", json={"reason": "asked"})).status_code == 404
    await relay.webhook(imp_uid)
    await relay.until_idle()
    assert (await relay.api.post(f"/v1/payments/{imp_uid}/refresh")).status_code == 200
    await until_recorded(relay.ledger)

    after = await relay.payment(imp_uid)
    assert after["erased_at"] == answer.json()["erased_at"]
    assert (after["amount"], after["status"], after["sequence"]) == (1004, "paid", 2)
    assert [event["id"] for event in after["events"]] == [event["id"] for event in before["events"]]
    assert len(await relay.events(imp_uid)) == 2
    run = await relay.api.post(
        "/v1/reconciliations",
        json={"merchant": "default", "since": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
    )
    path = f"/v1/reconciliations/{run.json()['id']}"

    async def is_done() -> Any:
        found = (await relay.api.get(path)).json()
        return found if found["state"] == "done" else None

    assert (await relay.until(is_done, "it is compared"))["missing"] == 0

    await until_recorded(relay.ledger)
    client = redis_of(relay.ledger)
    assert found_in(await readable(redis_of(relay.ledger))) == []
    await client.bgrewriteaof()

    async def is_rewritten() -> bool:
        info = await client.info("persistence")
        return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]

    await relay.until(is_rewritten, "the file is rewritten")
    await client.set("probe", "1")
    for process in (relay.worker, relay.console):
        await process.terminate()
    history = History.connect(parse(relay.environ["RELAY_HISTORY_URL"]))
    for what in ("payments", "events", "deliveries", "notifications"):
        for format_ in ("ndjson", "csv"):
            pieces = [piece async for piece in history.exports.stream(what, format_)]
            assert any(pieces)
            assert found_in(b"".join(pieces)) == []
    assert (await history.payments.get("default", imp_uid)).erased_at
    await history.close()
    await asyncio.to_thread(vacuum, relay.environ["RELAY_HISTORY_URL"])
    await asyncio.to_thread(own_redis.stop)
    await subscriber.stop()
    if relay.environ["RELAY_HISTORY_URL"].startswith("postgresql"):
        postgres_files = tmp_path / "postgres" / "base"
        assert postgres_files.is_dir()
        server = psycopg.connect(relay.environ["RELAY_HISTORY_URL"], autocommit=True)
        server.execute("CHECKPOINT")
        server.close()
        assert files_with(postgres_files) == []
    assert files_with(tmp_path) == []


def files_with(folder: Path) -> list[tuple[str, list[str]]]:
    """The files below a folder that have something of what is planted; those of logs aside."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".log")]
    return [(str(path), planted) for path in files if (planted := found_in(path.read_bytes()))]


async def test_an_old_copy_brings_no_buyer_back(relay: Relay, own_redis: RedisServer, tmp_path: Path) -> None:
    """Redis comes back with a copy from before a buyer was erased, and a look-up comes at once: the buyer is erased
    again, in Redis and in history."""
    await relay.endpoint()
    paid = {"status": "paid", "paid_at": int(time.time()), "amount": 1004, **BUYER}
    imp_uid = (await relay.payment_at_iamport(imp_uid="imp_copy", **paid))["imp_uid"]
    await relay.webhook(imp_uid)
    await relay.until_received("paid", imp_uid=imp_uid)
    await relay.until_idle()
    await until_recorded(relay.ledger)
    await asyncio.to_thread(own_redis.stop)
    shutil.copytree(tmp_path / "redis", tmp_path / "copy")
    await asyncio.to_thread(own_redis.start)

    newer = (await relay.payment_at_iamport(imp_uid="imp_newer", **paid))["imp_uid"]
    await relay.webhook(newer)
    await relay.until(lambda: relay.subscriber.types(newer) == ["paid"], "it is announced")

    async def erased() -> bool:
        answers = [
            await relay.api.post(f"/v1/payments/{one}/erase", json={"reason": "asked"}) for one in (imp_uid, newer)
        ]
        return [answer.status_code for answer in answers] == [200, 200]

    await relay.until(erased, "the buyers are erased")
    await until_recorded(relay.ledger)
    await asyncio.to_thread(own_redis.stop)
    shutil.rmtree(tmp_path / "redis")
    (tmp_path / "copy").rename(tmp_path / "redis")
    await asyncio.to_thread(own_redis.start)
    await relay.webhook(imp_uid)
    await relay.worker.logged("buyers_erased_again")
    await relay.webhook(newer)
    await relay.until_idle()
    await until_recorded(relay.ledger)
    assert found_in(await readable(redis_of(relay.ledger))) == []
    assert [bool((await relay.payment(one))["erased_at"]) for one in (imp_uid, newer)] == [True, True]
    exported = [await relay.api.get(f"/v1/export/{what}") for what in ("payments", "events", "notifications")]
    assert found_in(b"".join(answer.content for answer in exported)) == []
    assert [relay.subscriber.types(one) for one in (imp_uid, newer)] == [["paid"], ["paid"]]
