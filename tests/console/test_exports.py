"""Exports through the operator API and the web console."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import httpx
import pytest

from console.operations import wait_for_history
from history.export import Exports
from history.history import History
from schemas import wire
from schemas.endpoints.delivery import Retry
from schemas.endpoints.events import EndpointEvent
from schemas.endpoints.health import EndpointHealth
from schemas.errors import HistoryUnavailable
from schemas.reasons import Reason
from tests.console.conftest import READ_ONLY, Console, on_each_database
from tests.console.examples import FAILED
from tests.console.web.conftest import Reader
from tests.support import machine
from tests.support.clients import http_client

AWAY = HistoryUnavailable(Reason.of("history_timed_out"))


@on_each_database
async def test_each_list_is_a_file(console: Console) -> None:
    """Lines by default, a table on request, with a name for the file; what was written just before is in it."""
    await console.endpoint()
    await machine.seen(console.ledger, "imp_1", name="제주 감귤, 5kg")
    for what, key in (("payments", "imp_uid"), ("events", "id"), ("deliveries", "id"), ("notifications", "id")):
        answer = await console.call("GET", f"/v1/export/{what}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        assert answer.headers["content-disposition"] == f'attachment; filename="{what}.ndjson"'
        [line] = answer.text.splitlines()
        table = await console.call("GET", f"/v1/export/{what}", params={"format": "csv", "count": "true"})
        assert table.headers["relay-export-rows"] == "1"
        assert (table.headers["content-type"], table.content[:3]) == ("text/csv; charset=utf-8", b"\xef\xbb\xbf")
        [row] = csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"), newline=""))
        assert row[key] == wire.loads(line)[key]
    window = {"merchant": "default", "since": "2026-11-01T00:00:00+09:00", "until": "2999-12-01T00:00:00Z"}
    answer = await console.call("GET", "/v1/export/payments", params=window)
    name = "payments_default_2026-10-31_2999-11-30.ndjson"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "제주 감귤, 5kg" in answer.text
    elsewhere = await console.call("GET", "/v1/export/payments", params={"merchant": "shop"})
    assert (elsewhere.status_code, elsewhere.content) == (200, b"")


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_read_only_tokens_get_masked_urls(console: Console, format_: str) -> None:
    """An endpoint's URL may hold a secret; an event about the endpoint shows it."""
    url = "https://example.com/hooks/T024BE7LD/xoJ5RzsT024BE7LDB7Q3"
    body = wire.dumps({
        "id": "evt_1", "type": "endpoint.failing", "timestamp": "2026-11-23T01:02:03Z",
        "data": {"merchant": "default", "endpoint": "ep_1", "url": url},
    })  # fmt: skip
    endpoint = (await console.endpoint())["id"]
    event = EndpointEvent("evt_1", "endpoint.failing", body)
    assert await console.ledger.delivery_lane.note_health(endpoint, EndpointHealth(), EndpointHealth(failures=9), event)
    path = f"/v1/export/events?format={format_}"
    assert url in (await console.call("GET", path)).text
    masked = (await console.call("GET", path, headers={"authorization": f"Bearer {READ_ONLY}"})).text
    assert "https://example.com/hooks/***/***" in masked
    assert "T024BE7LD" not in masked


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("buyers", "what"),
        ("payments?format=xlsx", "format"),
        ("payments?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", "until"),
        ("payments?since=yesterday", "since"),
        ("payments?colour=red", "colour"),
        ("payments?limit=5", "limit"),
    ],
)
async def test_what_cannot_be_exported(console: Console, path: str, field: str) -> None:
    """422, before anything is sent."""
    answer = await console.call("GET", f"/v1/export/{path}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_history_that_is_away_is_503(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first byte; nobody gets an empty file."""

    async def away(*_given: object, **_options: object) -> str:
        raise AWAY

    monkeypatch.setattr(History, "places", away)
    for accept in ("payments", "deliveries?format=csv"):
        answer = await console.call("GET", f"/v1/export/{accept}")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.headers["retry-after"]


async def test_a_part_is_never_taken_for_the_whole(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where history goes away in the middle the answer has no end, and the next request is answered all the same."""
    stream = Exports.stream

    async def broken(*given: object, **options: object):  # type: ignore[no-untyped-def]
        async for piece in stream(*given, **options):  # type: ignore[arg-type]
            yield piece
            raise AWAY

    await machine.seen(console.ledger, "imp_1")
    monkeypatch.setattr(Exports, "stream", broken)
    with pytest.raises(httpx.ReadError, match="payload is not completed"):
        await console.call("GET", "/v1/export/payments")
    assert (await console.call("GET", "/livez")).status_code == 200


async def test_the_recorder_is_waited_for(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a list waits; then the file says by how much it is behind."""

    async def never(_history: History, outboxes: Sequence[str], _patience: float) -> dict[str, str]:
        return dict.fromkeys(outboxes, "0-0")

    await machine.seen(console.ledger, "imp_1")
    monkeypatch.setattr(History, "places", never)
    monkeypatch.setattr(wait_for_history, "PATIENCE", 0.05)
    answer = await console.call("GET", "/v1/export/payments")
    assert float(answer.headers["relay-history-behind"]) > 0


@on_each_database
async def test_a_reader_may_export_from_each_list(console: Console) -> None:
    """The button is a link with the filters of the list; the file has words in the reader's language."""
    endpoint = (await console.endpoint())["id"]
    await machine.seen(console.ledger, "imp_1")
    await machine.send(console.ledger, endpoint, Retry(5.0, FAILED), status_code=500)
    async with http_client(console.url, headers={"accept-language": "ko"}) as client:
        assert (await client.get("/export/payments")).status_code == 303
        reader = Reader(client)
        await reader.sign_in(READ_ONLY)
        for what in ("payments", "events", "deliveries", "notifications"):
            page = (await reader.open(f"/{what}")).text
            found = re.search(rf'href="(/export/{what}[^"]*)"', page)
            assert found is not None
            file = await client.get(found[1])
            assert (file.status_code, file.headers["content-type"]) == (200, "text/csv; charset=utf-8")
            assert file.headers["cache-control"] == "no-store"
        assert "마지막 시도는 500 응답" in (await client.get("/export/deliveries")).content.decode("utf-8-sig")
        days = "merchant=default&from=2026-11-01&to=2999-11-30"
        filtered = (await reader.open(f"/payments?{days}")).text
        assert f'href="/export/payments?{days.replace("&", "&amp;")}"' in filtered
        file = await client.get(f"/export/payments?{days}")
        assert (
            file.headers["content-disposition"] == 'attachment; filename="payments_default_2026-11-01_2999-11-30.csv"'
        )
        assert file.text.count("\r\ndefault,imp_1,") == 1
        assert (await client.get("/export/buyers")).status_code == 422
    entries = (await console.call("GET", "/v1/audit", params={"action": "export.read"})).json()["data"]
    window = {"since": "2026-10-31T15:00:00Z", "until": "2999-11-30T15:00:00Z"}
    assert entries[0]["detail"] == {"merchant": "default", **window, "format": "csv"}
    assert {entry["object"] for entry in entries} == {"payments", "events", "deliveries", "notifications"}
