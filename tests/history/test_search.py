"""What an operator has at hand is found: numbers, ids, what buyers typed; and the figures of thirty days."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from history import History, named_payments
from history import search as history_search
from schemas.errors import Invalid
from schemas.outbox import entries as e
from tests.support.outbox_entries import ENDPOINT, NOW, change_of, delivered, of_look, of_payment, paid
from tests.support.payments import T0

Record = Callable[..., Awaitable[None]]
DAY = 86_400_000


async def found(history: History, text: str) -> list[str]:
    """The order numbers of the payments that a text finds."""
    return [row.merchant_uid for row in (await history.find(text)).payments]


async def test_numbers_by_how_they_begin(history: History, record: Record) -> None:
    """An order number or imp_uid, whole or its beginning."""
    await record(row for n in (1, 12, 13, 2) for row in of_payment(n, at=NOW + n))
    assert await found(history, "order-1") == ["order-1", "order-13", "order-12"]
    assert await found(history, " order-13 ") == ["order-13"]
    assert await found(history, "imp_000000000002") == ["order-2"]
    for nothing in ("rder-1", "order-9", "", "  ", "%", "_", "\0"):
        assert await found(history, nothing) == []


@pytest.mark.parametrize("newest", [3, 100])
async def test_the_newest_of_many(
    history: History, record: Record, monkeypatch: pytest.MonkeyPatch, newest: int
) -> None:
    """A beginning that many numbers have finds the newest of them, whether these are among the newest of all or not;
    exact ones are first however old they are. Neither the order of recording nor that of numbers decides."""
    monkeypatch.setattr(named_payments, "NEWEST", newest)
    ages = {"a-5": 1, "a-1": 9, "a-3": 5, "a-": 0, "a-2": 7, "a-4": 3, "b-1": 20, "b-2": 21, "b-3": 22}
    for number, (order, at) in enumerate(ages.items()):
        await record(of_payment(number, at=NOW + at, merchant_uid=order, imp_uid=f"imp_{order}"))
    for text in ("a-", "imp_a-"):
        hits = await history.find(text, limit=4)
        assert [row.merchant_uid for row in hits.payments] == ["a-", "a-1", "a-2", "a-3"]
    assert [row.merchant_uid for row in (await history.find("a", limit=4)).payments] == ["a-1", "a-2", "a-3", "a-4"]
    assert [row.merchant_uid for row in (await history.find("imp", limit=2)).payments] == ["b-3", "b-2"]


async def test_numbers_beyond_those_that_are_read(
    history: History, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than are read, none of them new, the last numbers are first."""
    monkeypatch.setattr(named_payments, "NEWEST", 2)
    monkeypatch.setattr(named_payments, "NUMBERS", tuple((one, 3) for one, _ in named_payments.NUMBERS))
    for number in range(9):
        order = f"a-{number}" if number < 7 else f"b-{number}"
        await record(of_payment(number, at=NOW + number, merchant_uid=order, imp_uid=f"imp_{order}"))
    for text in ("a-", "imp_a-"):
        assert [row.merchant_uid for row in (await history.find(text, limit=2)).payments] == ["a-6", "a-5"]


async def all_of(history: History, text: str, limit: int) -> list[str]:
    """The imp_uids of all that a search finds, page by page."""
    hits = await history.find(text, limit=limit)
    seen = [row.imp_uid for row in hits.payments]
    while hits.next_cursor is not None:
        hits = await history.find(text, limit=limit, cursor=hits.next_cursor)
        assert len(hits.payments) <= limit
        seen += [row.imp_uid for row in hits.payments]
    return seen


@pytest.mark.parametrize("newest", [3, 10, 200])
@pytest.mark.parametrize("most", [4, 13, 1000])
async def test_all_that_begin_alike_are_found(
    history: History, record: Record, monkeypatch: pytest.MonkeyPatch, newest: int, most: int
) -> None:
    """Each once, however many there are and however many are read at once: of a number that very many have, of numbers
    that begin so, of order numbers and imp_uids alike; then those whose buyer typed it."""
    monkeypatch.setattr(named_payments, "NEWEST", newest)
    monkeypatch.setattr(named_payments, "NUMBERS", tuple((one, most) for one, _ in named_payments.NUMBERS))
    orders: dict[str, str] = {}
    typed = set()
    rows: list[e.Entry] = []
    for number in range(90):
        order = ("ab", f"ab-{number * 37 % 90:02d}", f"ab-{number // 4:02d}", f"c-{number}", f"c-{number}")[number % 5]
        imp_uid = f"ab_{number:03d}" if number % 10 in (1, 4) else f"imp_{number:03d}"
        buyer = {"buyer_name": "김 ab 민수"} if number % 10 == 3 else {}
        typed |= {imp_uid} if buyer and order != "ab" else set()
        at = NOW + number * 13 % 60 + (1000 if order.startswith("c") and number > 45 else 0)
        rows += of_payment(number, at=at, merchant_uid=order, imp_uid=imp_uid, **buyer)
        orders[imp_uid] = order
    await record(rows)
    begins = {imp_uid for imp_uid, order in orders.items() if imp_uid.startswith("ab") or order.startswith("ab")}
    whole = {imp_uid for imp_uid, order in orders.items() if order == "ab"}
    for limit in (3, 20, 200):
        seen = await all_of(history, "ab", limit)
        assert len(seen) == len(set(seen))
        assert (set(seen[: len(whole)]), set(seen[: len(begins)])) == (whole, begins)
        assert set(seen[len(begins) :]) == typed
    assert set(await all_of(history, "ab_0", 7)) == {imp_uid for imp_uid in orders if imp_uid.startswith("ab_0")}


@pytest.mark.parametrize("parts", [
    ["search", 1], ["search", "1", 1], ["named", 1, 2, 3], ["named", "whole", 1, 2, "a", 1, "b"],
    ["named", "other", 1, 2, "a", 1, 2], ["named", "number", 1, 2**70, "a", 1, 2], ["named", [], 1, 2, "a", 1, 2],
    ["named", "number", 1, 2, "\0", 1, 2], ["payments", 1, 2], {}, "x", 7,
])  # fmt: skip
async def test_a_cursor_that_no_search_gave(history: History, record: Record, parts: object) -> None:
    """Is invalid, whatever it holds."""
    await record(of_payment(1))
    cursor = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")
    with pytest.raises(Invalid):
        await history.find("order", cursor=cursor)


async def test_ids(history: History, record: Record) -> None:
    """Events, deliveries and notifications are found by their whole ids."""
    way = of_payment(1)
    await record(way)
    event = next(row for row in way if isinstance(row, e.Event))
    hits = await history.find(event.id)
    assert (hits.events, hits.deliveries, hits.payments) == ((event.id,), (), ())
    assert (await history.find(f"{event.id}.{ENDPOINT}")).deliveries == (f"{event.id}.{ENDPOINT}",)
    assert (await history.find(f"{event.id}.ep_other")).deliveries == ()
    assert (await history.find(way[0].id)).notifications == (way[0].id,)  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["홍길", "길동", "GILDONG@", "010-1234", "01012345678", "34-56"])
async def test_what_a_buyer_typed(history: History, record: Record, text: str) -> None:
    """Any part of name, address or number, also decomposed as a Mac writes Korean."""
    await record([*of_payment(1), *of_payment(2, buyer_name="이서연", buyer_email="a@b.kr", buyer_tel="02-999")])
    assert await found(history, text) == ["order-1"]
    assert await found(history, unicodedata.normalize("NFD", text)) == ["order-1"]


async def test_searching_goes_on(history: History, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many payments are read through at once; the cursor goes on with older ones, and ends."""
    monkeypatch.setattr(history_search, "MOST", 5)
    await record(
        row for n in range(23) for row in of_payment(n, at=NOW + n, buyer_name="김민수" if n % 6 else "박지훈")
    )
    seen, cursor, steps = [], None, 0
    while steps == 0 or cursor is not None:
        hits = await history.find("박지훈", cursor=cursor, limit=1)
        seen += [row.merchant_uid for row in hits.payments]
        cursor, steps = hits.next_cursor, steps + 1
    assert seen == ["order-18", "order-12", "order-6", "order-0"]
    assert steps >= 4


async def test_thirty_days(history: History, record: Record) -> None:
    """Payments by day, status and method, webhooks by outcome, endpoints by how they do; days are Korea's."""
    midnight = NOW - NOW % DAY + DAY - 9 * 3_600_000
    rows = [row for n in range(3) for row in of_payment(n, at=midnight - 1 + n)]
    ended = delivered(next(row for row in rows if isinstance(row, e.Event)), midnight)[2]
    dead = replace(ended, endpoint="ep_bad", state="dead")
    lost = of_look(change_of(paid(imp_uid="imp_lost", amount=Decimal("10.50"), currency="USD")), midnight)
    await record([*rows, dead, *lost, *of_payment(50, at=midnight - 40 * DAY)])
    figures = await history.figures(midnight / 1000 - 30 * 86400, midnight / 1000 + 1)
    day = (midnight + 9 * 3_600_000) // DAY
    told = {(row.day - day, row.currency, row.count, row.amount, row.unannounced) for row in figures.payments}
    assert told == {(-1, "KRW", 1, 1004, 0), (0, "KRW", 2, 2008, 0), (0, "USD", 1, Decimal("10.5"), 1)}
    assert [(row.day - day, row.outcome, row.count) for row in figures.notifications] == [
        (-1, "applied", 1), (0, "applied", 2),
    ]  # fmt: skip
    good, bad = sorted(figures.endpoints, key=lambda row: row.success_rate or 0, reverse=True)
    assert (good.endpoint, good.count, good.at_once, good.success_rate, good.within) == (
        ENDPOINT,
        3,
        3,
        1.0,
        (3, 0, 0, 0, 0),
    )
    assert (bad.endpoint, bad.dead, bad.success_rate, bad.within) == ("ep_bad", 1, 0.0, (0, 0, 0, 0, 0))
    assert (await history.figures(T0, T0 + 1, merchant="nobody")).payments == ()
