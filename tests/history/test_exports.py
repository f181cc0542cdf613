"""Exports: everything once, oldest first, in pieces; and files that spreadsheets open without harm."""

from __future__ import annotations

import csv
import io
import itertools
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from history import History
from schemas import wire
from schemas.errors import Invalid
from schemas.outbox import entries as e
from tests.support.outbox_entries import NOW, of_payment, one
from tests.support.payments import T0

Record = Callable[..., Awaitable[None]]


async def collected(stream: AsyncIterator[bytes]) -> bytes:
    """All of a stream."""
    return b"".join([piece async for piece in stream])


def rows_of(text: bytes) -> list[dict[str, str]]:
    """The rows of a CSV, as a spreadsheet reads it."""
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))


async def test_everything_once_and_oldest_first(history: History, record: Record) -> None:
    """More rows than a step reads, many of one millisecond; the count agrees."""
    for low in range(0, 1200, 200):
        await record(entry for n in range(low, low + 200) for entry in of_payment(n, at=NOW + n // 100))
    for what, name in (("payments", "imp_uid"), ("deliveries", "imp_uid"), ("notifications", "imp_uid")):
        lines = (await collected(history.exports.stream(what))).splitlines()  # type: ignore[arg-type]
        assert [wire.loads(line)[name] for line in lines] == [f"imp_{n:012d}" for n in range(1200)]
        assert await history.exports.count(what) == 1200  # type: ignore[arg-type]
        table = rows_of(await collected(history.exports.stream(what, "csv")))  # type: ignore[arg-type]
        assert [row[name] for row in table] == [f"imp_{n:012d}" for n in range(1200)]
    windowed = await collected(history.exports.stream("payments", since=T0 + 0.003, until=T0 + 0.005))
    assert [wire.loads(line)["imp_uid"] for line in windowed.splitlines()] == [f"imp_{n:012d}" for n in range(300, 500)]


async def test_events_are_the_callbacks_bodies(history: History, record: Record) -> None:
    """A line is the body, byte for byte, with what was recorded beside it."""
    entries = of_payment(1)
    await record(entries)
    event = next(entry for entry in entries if isinstance(entry, e.Event))
    body = (await history.events.get(event.id)).body
    line = (await collected(history.exports.stream("events"))).rstrip()
    assert line.startswith(body[:-1])
    beside = {"recorded_at": "2023-11-14T22:13:20Z", "silent": False}
    assert wire.loads(line) == {**wire.loads(body), **beside}


async def test_money_and_korean(history: History, record: Record) -> None:
    """Amounts digit by digit, names as they are, in both formats."""
    await record(of_payment(1, amount=wire.loads("10.10"), currency="USD", name="제주 감귤 5kg"))
    line = await collected(history.exports.stream("payments"))
    assert line.count(b'"amount":10.10,') == 2
    row = rows_of(await collected(history.exports.stream("payments", "csv")))[0]
    assert (row["amount"], row["currency"], row["name"]) == ("10.10", "USD", "제주 감귤 5kg")
    assert (row["buyer_name"], row["paid_at"]) == ("홍길동", "2023-11-14T22:13:40Z")


@pytest.mark.parametrize(
    "text", ["=1+1", "+82-10", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＠SUM(A1)", '=HYPERLINK("http://x")']
)
async def test_no_cell_is_a_formula(history: History, record: Record, text: str) -> None:
    """Whatever a buyer types, a spreadsheet shows it as text."""
    await record(of_payment(1, name=text, merchant_uid=text))
    row = rows_of(await collected(history.exports.stream("payments", "csv")))[0]
    assert row["name"] == row["merchant_uid"] == f"'{text}"
    assert row["amount"] == "1004"


async def test_reasons_are_put_into_words(history: History, record: Record) -> None:
    """Whoever exports says how."""
    entries = of_payment(1)
    failed = replace(one(entries, e.Attempt), error='{"code":"timeout"}')
    dead = replace(one(entries, e.Delivery), state="dead", reason='{"code":"given_up"}')
    await record([one(entries, e.Event), failed, dead])

    def words(reason: str) -> str:
        return {"timeout": "no answer", "given_up": "dead"}[wire.loads(reason)["code"]]

    row = wire.loads(await collected(history.exports.stream("deliveries", words=words)))
    assert (row["reason"], row["attempts"][0]["error"]) == ("dead", "no answer")


async def test_bad_input(history: History) -> None:
    """A window that ends before it begins, a list and a format nobody knows."""
    for arguments, options in (
        (("payments",), {"since": 2.0, "until": 1.0}), (("orders",), {}), (("payments", "xlsx"), {}),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            await collected(history.exports.stream(*arguments, **options))  # type: ignore[arg-type]


async def test_constant_memory(history: History, record: Record) -> None:
    """However much there is, no more than some steps of it are in memory."""
    big, made = "x" * 20_000, one(of_payment(0), e.Notification)
    for low in range(0, 4000, 100):
        await record(
            replace(made, id=f"ntf_{n}", extra=f'{{"x":"{big}"}}', received_at=NOW + n) for n in range(low, low + 100)
        )
    stream = history.exports.stream("notifications")
    first: Any = [await anext(stream) for _ in range(8)]  # of twenty: what a step takes is in memory by then
    before, sizes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, [len(piece) for piece in first]
    sizes += [len(piece) async for piece in stream]
    assert sum(sizes) > 80_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000
    assert max(itertools.chain(sizes)) < 12_000_000
