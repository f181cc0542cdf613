"""Every answer to a webhook, against the real process."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.reasons.codes import CODES
from tests.support.ledger_state import ledger_state
from tests.support.processes import ROOT, Processes
from tests.support.receivers import FORM, JSON, Receiver, notified, start, webhook
from tests.support.redis_process import not_durable
from tests.support.waiting import PATIENCE

PROXY = {"RELAY_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
async def receiver(processes: Processes, free_port: Callable[[], int], redis_url: str) -> Receiver:
    """A receiver on a healthy Redis."""
    return await start(processes, free_port(), redis_url, **PROXY)


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is an RFC 9457 problem of this status; its fields."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem.keys() == {"type", "title", "status", "detail", "reason_code"}
    assert problem["reason_code"] in CODES
    return dict(problem)


async def test_a_webhook_is_accepted(receiver: Receiver, redis_url: str) -> None:
    """JSON and form are answered with 200 and an id, and are in the ledger with everything they said."""
    answer = await receiver.post(webhook(1, cancellation_id="c1", amount=1004.5))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["status"] == "accepted"
    ntf = answer.json()["id"]
    assert re.fullmatch(r"ntf_[0-9a-z]{26}", ntf)
    form = await receiver.client.post("/webhooks/default/", content=b"imp_uid=imp_2&status=paid", headers=FORM)
    assert form.status_code == 200
    assert await notified(redis_url) == {"imp_1": 1, "imp_2": 1}
    async with ledger_state(redis_url) as state:
        kept = await state.notification(ntf)
    assert {
        "imp_uid": "imp_1",
        "merchant_uid": "order_1",
        "status": "paid",
        "cancellation_id": "c1",
    }.items() <= kept.items()
    assert (kept["source"], kept["verified"], json.loads(kept["extra"])) == ("127.0.0.1", "0", {"amount": 1004.5})
    line = await receiver.process.logged("webhook_accepted", imp_uid="imp_1")
    assert (line["merchant"], line["status"], line["notification"]) == ("default", "paid", ntf)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"imp_uid":"status/all"}', b'{"imp_uid":1}', b'{"imp_uid":"\xff"}']
)
async def test_a_body_of_no_use_is_400(receiver: Receiver, redis_url: str, content: bytes) -> None:
    """No usable imp_uid or a body that does not parse: refused, and nothing is noted."""
    is_problem(await receiver.post(content), 400)
    assert await notified(redis_url) == {}


async def test_another_content_type_is_415(receiver: Receiver) -> None:
    """Other types, none at all, and compressed bodies are refused."""
    for headers in ({"content-type": "text/plain"}, {}, {**JSON, "content-encoding": "gzip"}):
        is_problem(await receiver.client.post("/webhooks", content=webhook(), headers=headers), 415)


async def test_a_webhook_is_dated_by_redis(
    processes: Processes, free_port: Callable[[], int], redis_url: str, tmp_path: Path
) -> None:
    """Receivers whose clocks disagree put their webhooks into one order all the same."""
    # Python imports a module of this name at its start.
    (tmp_path / "sitecustomize.py").write_text("import time\nreal = time.time\ntime.time = lambda: real() + 3600\n")
    receiver = await start(processes, free_port(), redis_url, PYTHONPATH=f"{tmp_path}:{ROOT}")
    identity = (await receiver.post(webhook())).json()["id"]
    async with ledger_state(redis_url) as state:
        received = (await state.notification(identity))["received_at"]
    assert abs(int(received) / 1000 - time.time()) < 1800


async def test_a_large_body_is_413(receiver: Receiver) -> None:
    """Beyond 64 KiB a webhook is refused, by its announced length and by counting; 64 KiB are still taken."""

    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 8192

    assert (await receiver.post(webhook().ljust(65_536))).status_code == 200
    is_problem(await receiver.post(webhook().ljust(65_537)), 413)
    is_problem(await receiver.client.post("/webhooks", content=chunks(), headers=JSON), 413)
    assert b" 413 " in await receiver.raw(
        b"POST /webhooks HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
        b"expect: 100-continue\r\ncontent-length: 999999999\r\n\r\n"
    )


async def test_a_body_without_end_is_413_before_it_ends(receiver: Receiver) -> None:
    """A chunked body is refused as soon as it is too large, not after its last chunk."""
    head = b"POST /webhooks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    writer.write(head + (b"2000\r\n" + b" " * 8192 + b"\r\n") * 10)
    try:
        assert b" 413 " in await asyncio.wait_for(reader.readline(), PATIENCE)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "path",
    ["/webhooks/nobody", "/webhooks/default/token", "/webhooks/a/b/c", "/webhooks/..%2fdefault", "/webhooks/%00", "/",
     "/webhooks/-a", "/webhooks/" + "a" * 65, "/webhooks/default/" + "t" * 600, "/webhooks//default", "/v1/payments",
     "/livez/x", "/metrics/x", "/readyz/"],
)  # fmt: skip
async def test_what_is_not_there_is_404(receiver: Receiver, redis_url: str, path: str) -> None:
    """Unknown merchants, tokens that are not wanted, and paths that lead nowhere."""
    is_problem(await receiver.post(webhook(), path), 404)
    assert await notified(redis_url) == {}


async def test_a_webhook_token_is_the_only_way_in(receiver: Receiver, redis_url: str) -> None:
    """A merchant with a token takes webhooks at the path with it only, and then they are verified."""
    async with ledger_state(redis_url) as state:
        await state.put_merchant("shop.1", "비밀/1")
        is_problem(await receiver.post(webhook(), "/webhooks/shop.1"), 404)
        is_problem(await receiver.post(webhook(), "/webhooks/shop.1/wrong"), 404)
        answer = await receiver.post(webhook(), "/webhooks/shop%2E1/%EB%B9%84%EB%B0%80%2F1")
        assert answer.status_code == 200
        assert (await state.notification(answer.json()["id"]))["verified"] == "1"


FORM_BODY = "imp_uid=imp_1&merchant_uid=주문".encode("euc-kr")


@pytest.mark.parametrize(
    ("line", "headers", "body"),
    [
        (b"POST http://relay.example/webhooks HTTP/1.1", b"content-type: application/json", webhook()),
        (b"POST /webhooks?from=console&x=%20 HTTP/1.1", b"CONTENT-TYPE: application/json", webhook()),
        (b"POST //webhooks/default/ HTTP/1.1", b"content-type: application/json", webhook()),
        (b"POST /webhooks HTTP/1.0", b"content-type: application/json", webhook()),
        (b"POST /webhooks HTTP/1.1", b"content-type: Application/Json;Charset=UTF-8", b"\xef\xbb\xbf" + webhook()),
        (b"POST /webhooks HTTP/1.1", b"content-type: application/x-www-form-urlencoded; charset=EUC-KR", FORM_BODY),
        (b"POST /webhooks HTTP/1.1", b"content-type: application/x-www-form-urlencoded", b"imp_uid=imp_1\r\n"),
        (b"POST /webhooks HTTP/1.1", b"content-type: application/json", b'{"imp_uid":"imp_0","imp_uid":"imp_1"}'),
        (b"\r\nPOST /webhooks HTTP/1.1", b"content-type: application/json\r\nx-shop: \xec\xa3\xbc", webhook()),
    ],
)  # fmt: skip
async def test_requests_as_proxies_and_old_clients_send_them(
    receiver: Receiver, redis_url: str, line: bytes, headers: bytes, body: bytes
) -> None:
    """Absolute targets, queries, doubled slashes, HTTP/1.0, charsets and byte order marks cost no webhook."""
    framing = b"\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert (await receiver.raw(line + b"\r\n" + headers + framing + body)).startswith(b"HTTP/1.1 200 ")
    assert await notified(redis_url) == {"imp_1": 1}


async def test_a_target_without_a_path_is_404(receiver: Receiver) -> None:
    """`OPTIONS *` is answered like any request for an unknown path, and logs nothing."""
    assert b" 404 " in await receiver.raw(b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert not receiver.process.logs(level="error")


async def test_webhooks_to_a_wrong_address_are_counted(receiver: Receiver) -> None:
    """A POST from i'mport to a path that does not exist is a lost webhook; one from another source is not."""
    for path in ("/webhook", "/", "/livez/x"):
        is_problem(await receiver.post(webhook(), path, x_forwarded_for="52.78.100.19"), 404)
        is_problem(await receiver.post(webhook(), path, x_forwarded_for="203.0.113.7"), 404)
    await receiver.client.get("/favicon.ico", headers={"x-forwarded-for": "52.78.100.19"})
    assert await receiver.metric('relay_webhooks_refused_total{merchant="-",status="404"}') == 3


async def test_a_webhook_that_a_redirect_made_a_get_is_counted(receiver: Receiver) -> None:
    """A proxy that answers http with a redirect to https makes a GET of i'mport's POST: the webhook is lost."""
    await receiver.client.get("/webhooks/nobody/token", headers={"x-forwarded-for": "52.78.100.19"})
    await receiver.client.get("/webhooks", headers={"x-forwarded-for": "203.0.113.7"})
    counted = (await receiver.client.get("/metrics")).text
    lines = [line for line in counted.splitlines() if 'status="405"' in line]
    assert lines == ['relay_webhooks_refused_total{merchant="-",status="405"} 1.0']
    await receiver.process.logged("webhook_refused", status_code=405)


async def test_other_methods_are_405(receiver: Receiver) -> None:
    """Webhooks are posted and nothing else; states are read and nothing else."""
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await receiver.client.request(method, "/webhooks/default")
        assert (is_problem(answer, 405)["title"], answer.headers["allow"]) == ("Method Not Allowed", "POST")
    assert (await receiver.client.head("/webhooks")).status_code == 405
    assert (await receiver.client.post("/readyz")).headers["allow"] == "GET, HEAD"
    assert (await receiver.client.head("/livez")).status_code == 200


async def test_a_flood_from_one_source_is_429(receiver: Receiver) -> None:
    """A source beyond its burst gets 429; others, and i'mport, do not."""
    request = b"POST /webhooks HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.7\r\ncontent-length: 0\r\n%s\r\n"
    flood = await receiver.raw(request % b"" * 4999 + request % b"connection: close\r\n")
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", flood)
    assert len(statuses) == 5000
    assert set(statuses) == {b"415", b"429"}
    assert statuses.index(b"429") >= 1000
    assert b"retry-after: 1\r\n" in flood
    assert (await receiver.post(webhook(), x_forwarded_for="203.0.113.8")).status_code == 200
    assert (await receiver.post(webhook(), x_forwarded_for="52.78.100.19")).status_code == 200


async def test_addresses_that_are_not_allowed_are_403(
    processes: Processes, free_port: Callable[[], int], redis_url: str
) -> None:
    """With RELAY_ALLOWED_IPS only these addresses may post, and theirs are verified."""
    receiver = await start(processes, free_port(), redis_url, **PROXY, RELAY_ALLOWED_IPS="52.78.100.19,2001:db8::/32")
    is_problem(await receiver.post(webhook(1)), 403)
    is_problem(await receiver.post(webhook(1), x_forwarded_for="52.78.100.19, 198.51.100.1"), 403)
    answer = await receiver.post(webhook(2), x_forwarded_for="198.51.100.1, 52.78.100.19")
    assert answer.status_code == 200
    assert (await receiver.post(webhook(3), x_forwarded_for="2001:db8::7")).status_code == 200
    assert await notified(redis_url) == {"imp_2": 1, "imp_3": 1}
    async with ledger_state(redis_url) as state:
        kept = await state.notification(answer.json()["id"])
    assert (kept["verified"], kept["source"]) == ("1", "52.78.100.19")


async def test_a_trail_in_several_headers_is_one_trail(receiver: Receiver, redis_url: str) -> None:
    """Proxies may add a line of their own: the last hop is in the last line, and what all trust stands further left."""
    for number, lines in enumerate((("52.78.100.19", "203.0.113.7"), ("203.0.113.7", "127.0.0.1"))):
        headers = [("content-type", "application/json"), *(("x-forwarded-for", line) for line in lines)]
        answer = await receiver.client.post("/webhooks", content=webhook(number), headers=headers)
        assert answer.status_code == 200
        async with ledger_state(redis_url) as state:
            kept = await state.notification(answer.json()["id"])
        assert (kept["verified"], kept["source"]) == ("0", "203.0.113.7")


async def test_a_webhook_that_cannot_be_stored_is_503(
    processes: Processes, free_port: Callable[[], int], redis_url: str
) -> None:
    """Without Redis and spool the answer asks to send again later, and `/readyz` says why."""
    unused = f"redis://127.0.0.1:{free_port()}/0"
    receiver = await start(processes, free_port(), unused, RELAY_SPOOL_DIR="off")
    for number in range(3):
        answer = await receiver.post(webhook(number))
        is_problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    report = await receiver.client.get("/readyz")
    assert report.status_code == 503
    assert report.json()["acknowledges_from"] is None
    assert report.json()["spool"] == {
        "available": False,
        "reason": "the spool is switched off",
        "reason_code": "spool_off",
    }
    assert report.json()["redis"]["reason_codes"] == ["redis_unreliable"]
    assert (await receiver.client.get("/livez")).status_code == 200


async def test_refusals_are_counted_for_operators(receiver: Receiver, redis_url: str) -> None:
    """Whatever is refused for good is in the metrics, a 400 with its reason; and all of it reaches the ledger when the
    receiver ends if not before."""
    await receiver.post(webhook())
    for _ in range(3):
        await receiver.post(webhook(), "/webhooks/made-up")
    await receiver.client.post("/webhooks", content=webhook(), headers={"content-type": "text/plain"})
    await receiver.post(webhook().ljust(70_000))
    version_2 = b'{"type":"Transaction.Paid","timestamp":"2024-04-25T10:00:00.000Z","data":{"paymentId":"p1"}}'
    answer = await receiver.post(version_2)
    assert "V1 in i'mport's console" in is_problem(answer, 400)["detail"]
    assert is_problem(answer, 400)["reason_code"] == "version_2"
    await receiver.post(b"", "/webhooks/made-up")
    for merchant, reason in (("default", "version_2"), ("-", "empty")):
        line = f'relay_webhook_bodies_refused_total{{merchant="{merchant}",reason="{reason}"}}'
        assert await receiver.metric(line) == 1
    for merchant, status in (("default", 413), ("default", 400), ("-", 400)):
        line = f'relay_webhooks_refused_total{{merchant="{merchant}",status="{status}"}}'
        assert await receiver.metric(line) == 1
    assert await receiver.metric('relay_webhooks_refused_total{merchant="-",status="404"}') == 3
    assert await receiver.metric('relay_webhooks_accepted_total{place="redis"}') == 1
    assert await receiver.metric("relay_webhook_seconds_count") == 1
    assert await receiver.process.terminate() == 0
    async with ledger_state(redis_url) as state:
        refusals, bodies = await state.refusals()
    assert (refusals["-:404"], sum(refusals.values())) == (3, 7)
    assert bodies == {"default:version_2": 1, "-:empty": 1}


async def test_metrics_are_for_this_machine_and_for_tokens(
    processes: Processes, free_port: Callable[[], int], redis_url: str
) -> None:
    """Requests through a proxy are not local: they need an API token, and a read-only one will do."""
    receiver = await start(processes, free_port(), redis_url, RELAY_API_TOKEN="secret-1,ro:secret-2,metrics:secret-3")
    assert (await receiver.client.get("/metrics")).status_code == 200
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic secret-1"}, 401),
        ({"authorization": "bearer secret-1"}, 200),
        ({"authorization": "Bearer secret-2"}, 200),
        ({"authorization": "Bearer secret-3"}, 200),
    ):
        answer = await receiver.client.get("/metrics", headers={"x-forwarded-for": "127.0.0.1", **headers})
        assert answer.status_code == status
    assert (await receiver.client.get("/metrics")).text.startswith("# HELP")


async def test_a_weak_redis_is_named_by_readyz(
    processes: Processes, free_port: Callable[[], int], redis_url: str
) -> None:
    """Where durability is required a weak Redis is not what acknowledges; the report says what is weak."""
    with not_durable(redis_url):
        receiver = await start(processes, free_port(), redis_url, RELAY_REQUIRE_DURABLE="true")
        report = await receiver.ready()
        answer = await receiver.post(webhook())
    assert (report["acknowledges_from"], report["require_durable"]) == ("spool", True)
    assert report["redis"] == {
        "available": True,
        "durable": False,
        "reasons": ["appendfsync is everysec, not always"],
        "reason_codes": ["setting_weak"],
    }
    assert report["spool"] == {"available": True, "reason": None, "reason_code": None}
    assert answer.status_code == 200
    assert await receiver.metric('relay_webhooks_accepted_total{place="spool"}') == 1


async def test_no_private_thing_is_logged(receiver: Receiver) -> None:
    """Buyers' data and webhook tokens are in no line of the log, whatever happens to the webhook."""
    secret = "hong-gildong-4111111111111111"
    await receiver.post(webhook(1, buyer_name=secret, extra=secret))
    await receiver.post(webhook(2), f"/webhooks/default/{secret}")
    await receiver.post(webhook(2), f"/webhooks/{secret}")
    await receiver.post(b'{"imp_uid":"' + secret.encode() + b'/"}')
    await receiver.post(secret.encode())
    await receiver.client.get(f"/{secret}")
    await receiver.process.terminate()
    assert receiver.process.logs("webhook_refused")
    assert secret not in receiver.process.output
