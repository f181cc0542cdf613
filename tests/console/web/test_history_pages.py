"""What history makes possible on pages: days, search, 30 days at a glance; and what pages say while it is away."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from html import unescape
from typing import Any

import pytest

from console.operations import history_state
from history import search as history_search
from tests.console.conftest import Console, on_each_database
from tests.console.test_history import take_away
from tests.console.test_old_copy import come_back, copy_of, fail
from tests.console.web.conftest import Reader
from tests.console.web.scene import BUYER, set_up
from tests.support.machine import notify, seen

KST = timezone(timedelta(hours=9))
LISTS = (
    "payments", "events", "deliveries", "notifications", "endpoints", "merchants", "replays", "reconciliations",
)  # fmt: skip
ENGLISH, KOREAN = {"accept-language": "en"}, {"accept-language": "ko"}


def rows(text: str) -> int:
    """How many rows a page's table has."""
    return sum(part.count("<tr") for part in re.findall(r"<tbody>(.*?)</tbody>", text, re.DOTALL))


@on_each_database
@pytest.mark.parametrize("name", LISTS)
async def test_a_list_shows_the_days_that_are_chosen(reader: Reader, console: Console, name: str) -> None:
    """Whole days of the reader's zone, both of them; the fields keep what was chosen."""
    await set_up(console)
    await console.call("POST", "/v1/replays", {"only": "all"})
    window = {"merchant": "default", "since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"}
    await console.call("POST", "/v1/reconciliations", window)
    today = datetime.now(KST).date()
    shown = (await reader.open(f"/{name}?from={today}&to={today}", headers=KOREAN)).text
    assert rows(shown) > 0
    assert f'name="from" type="date" value="{today}"' in shown
    before = (await reader.open(f"/{name}?to={today - timedelta(days=1)}", headers=KOREAN)).text
    assert (rows(before), 'class="empty"' in before) == (0, True)
    assert rows((await reader.open(f"/{name}?from={today + timedelta(days=1)}", headers=KOREAN)).text) == 0


@pytest.mark.parametrize("query", ["from=2026-13-01", "to=yesterday", "from=2026-11-02&to=2026-10-01", "to=9999-12-31"])
async def test_days_have_to_make_sense(reader: Reader, query: str) -> None:
    """Else the page says what is wrong, and is 422."""
    assert (await reader.open(f"/payments?{query}")).status_code == 422


@on_each_database
async def test_chosen_days_are_counted(reader: Reader, console: Console) -> None:
    """As long as there is no other filter than a merchant."""
    await set_up(console)
    today = datetime.now(KST).date()
    counted = (await reader.open(f"/payments?from={today}&merchant=default", headers=KOREAN)).text
    assert "이 기간에 2건" in counted
    assert "이 기간에" not in (await reader.open("/payments", headers=KOREAN)).text
    assert "이 기간에" not in (await reader.open(f"/payments?from={today}&status=paid", headers=KOREAN)).text


@on_each_database
async def test_search_lists_what_may_be_meant(reader: Reader, console: Console) -> None:
    """Order numbers that begin with it, and what buyers typed, without showing that; then the pages behind."""
    await set_up(console)
    for wanted in ("order_imp", BUYER):
        text = (await reader.open("/find", params={"q": wanted})).text
        assert ("/payments/default/imp_1" in text, "/payments/default/imp_2" in text) == (True, True)
    assert BUYER not in text.replace(f"“{BUYER}”", "").replace(f'value="{BUYER}"', "")
    nothing = await reader.open("/find", params={"q": "no such thing"})
    assert (nothing.status_code, rows(nothing.text)) == (200, 0)


@on_each_database
async def test_search_goes_on(reader: Reader, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that has found nothing says that there is more to look through, the last one that there is nothing."""
    await set_up(console)
    monkeypatch.setattr(history_search, "MOST", 2)
    address, texts = "/find?q=nowhere", []
    while address:
        text = (await reader.open(address, headers=ENGLISH)).text
        onward = re.search(r'href="([^"]+)" rel="next"', text)
        address = unescape(onward[1]) if onward else ""
        texts.append(text)
    assert len(texts) > 1
    assert all("“Older” searches further back" in text for text in texts[:-1])
    assert ("“Older” searches further back" in texts[-1], "No payments" in texts[-1]) == (False, True)


@on_each_database
async def test_a_notification_is_found_by_its_id(reader: Reader, console: Console) -> None:
    """With a link to the payment that it is about."""
    identity = await notify(console.ledger, "imp_1")
    text = (await reader.open("/find", params={"q": identity})).text
    assert "/payments/default/imp_1" in text


@on_each_database
@pytest.mark.parametrize(
    ("language", "words"),
    [
        (ENGLISH, ("30 days at a glance", "Payments by status", "Payments by method", "Refunded, KRW", "Card",
                   "Payments without a webhook", "Deliveries by endpoint")),
        (KOREAN, ("최근 30일 한눈에 보기", "상태별 결제", "결제 수단별 결제", "환불 금액, KRW", "카드",
                  "웹훅이 오지 않은 결제", "엔드포인트별 전달")),
    ],
)  # fmt: skip
async def test_30_days_at_a_glance(
    reader: Reader, console: Console, language: dict[str, str], words: tuple[str, ...]
) -> None:
    """Each chart has its numbers in a table as well."""
    scene = await set_up(console)
    refund: dict[str, Any] = {"cancel_amount": 400, "cancelled_at": 9, "cancel_history": [
        {"amount": 400, "cancelled_at": 9, "cancellation_id": "c", "pg_tid": "t", "reason": "r"}
    ]}  # fmt: skip
    await seen(console.ledger, "imp_3", pay_method="card", **refund)
    text = (await reader.open("/figures", headers=language)).text
    for part in words:
        assert part in text
    assert '<rect class="bar partially_cancelled"' in text
    assert "<strong>400 KRW</strong>" in text
    assert f"/endpoints/{scene.sick}" in text
    assert text.count('class="chart chart-tall"') == text.count("<details id=") == 3
    assert (await reader.open("/figures?merchant=nobody", headers=language)).text.count("<rect") == 0


async def test_pages_say_that_history_is_away(
    reader: Reader, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists with a page of their own, all others in a banner; a payment is still found by its imp_uid."""
    scene = await set_up(console)
    await console.call("GET", "/v1/payments")
    take_away(monkeypatch)
    monkeypatch.setattr(history_state, "GOOD_FOR", 0.0)
    for name in (*LISTS, "figures"):
        refused = await reader.open(f"/{name}", headers=ENGLISH)
        assert (refused.status_code, "disk I/O error" in refused.text) == (503, True), name
    for path in (
        "/", f"/payments/default/{scene.payment}", f"/events/{scene.event}", f"/deliveries/{scene.dead}",
        f"/endpoints/{scene.sick}", "/endpoints/new", "/settings",
    ):  # fmt: skip
        page = await reader.open(path, headers=KOREAN)
        assert (page.status_code, "이력을 읽을 수 없습니다" in page.text) == (200, True), path
    found = await reader.open("/find", params={"q": scene.payment})
    assert found.headers["location"] == f"/payments/default/{scene.payment}"


async def test_pages_have_every_attempt(console: Console, reader: Reader) -> None:
    """Of a payment and of the delivery itself, also those that only history has: Redis came back with an old copy."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    await fail(console, endpoint, 500)
    copy = await copy_of(console.ledger)
    await fail(console, endpoint, 577)
    await come_back(console, copy)
    (listed,) = (await console.call("GET", "/v1/deliveries")).json()["data"]
    for page in (f"/deliveries/{listed['id']}", "/payments/default/imp_1"):
        assert "577" in (await reader.open(page)).text, page
