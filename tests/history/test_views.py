"""docs/history.md: its ten questions are answered on both databases, and its tables name every column of the views."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from history import History, views
from history.connection import Database
from schemas.outbox import entries as e
from tests.support.outbox_entries import ENDPOINT, NOW, change_of, of_look, of_payment, paid
from tests.support.payments import T0, entry

Record = Callable[..., Awaitable[None]]

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
QUESTIONS = dict(re.findall(r"^### ([^\n]*\?)\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
IMP_UID = "imp_448280090638"


async def some_days(record: Record) -> None:
    """Payments of two days, a refund, a failing subscriber, a payment without a webhook, an operator."""
    rows = [row for n in range(4) for row in of_payment(n, at=NOW + n % 2 * 86_400_000)]
    way = of_payment(9, imp_uid=IMP_UID)
    refund = [entry(104, T0 + 50, "c1")]
    lost = of_look(change_of(paid(imp_uid="imp_lost", cancel_amount=104, cancel_history=refund)), NOW + 5)
    event = next(row for row in lost if isinstance(row, e.Event))
    dead = e.Delivery(event.id, "ep_dead", "default", "imp_lost", event.type, state="dead", created_at=NOW, attempts=1)
    failed = e.Attempt("imp_lost", event.id, "ep_dead", 1, NOW, 503, 900, '{"code":"answered"}')
    audit = e.Audit("aud_1", NOW, "alice", "payment.erase", IMP_UID)
    held = replace(dead, endpoint="ep_off", state="pending")
    await record([*rows, *way, *lost, dead, failed, held, e.Endpoint("ep_off", "default", "disabled"), audit])


def test_there_are_ten() -> None:
    """As the page says."""
    assert len(QUESTIONS) == 10


ANSWERS: dict[str, Any] = {
    "What did each day bring?": lambda rows: (
        {tuple(row)[:6] for row in rows}
        == {
            ("2023-11-14", "paid", "KRW", 3, 3012, 0),
            ("2023-11-14", "partially_cancelled", "KRW", 1, 1004, 104),
            ("2023-11-15", "paid", "KRW", 2, 2008, 0),
        }
    ),
    "How do people pay, month by month?": lambda rows: (
        [tuple(row) for row in rows] == [("2023-11", "card", "html5_inicis", "KRW", 6, 5920)]
    ),
    "Why is money given back?": lambda rows: [tuple(row) for row in rows] == [("changed my mind", "KRW", 1, 104)],
    "Which payments came without a webhook?": lambda rows: [row.imp_uid for row in rows] == ["imp_lost"],
    "Which subscribers are slow?": lambda rows: (
        [(row.endpoint, row.slowest_ms) for row in rows] == [("ep_dead", 900), (ENDPOINT, 7)]
    ),
    "Which subscribers fail, and how?": lambda rows: (
        [tuple(row)[:4] for row in rows] == [("ep_dead", 503, '{"code":"answered"}', 1)]
    ),
    "What was never delivered?": lambda rows: (
        {(row.endpoint, row.state) for row in rows} == {("ep_dead", "dead"), ("ep_off", "held")}
    ),
    "How long does a delivery take?": lambda rows: (
        [(row.day, row.deliveries, row.average_ms) for row in rows] == [("2023-11-14", 3, 12), ("2023-11-15", 2, 12)]
    ),
    "What happened to one payment?": lambda rows: (
        [(row.what, row.result) for row in rows][-1] == ("attempt", "200") and len(rows) == 3
    ),
    "Who did what?": lambda rows: [tuple(row)[:3] for row in rows] == [("alice", "payment.erase", 1)],
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question(history: History, database: Database, record: Record, question: str) -> None:
    """It runs as it stands in the page, and the answer is right."""
    await some_days(record)
    rows = await database.read(lambda connection: connection.exec_driver_sql(QUESTIONS[question]).all())
    assert ANSWERS[question](rows), rows


async def test_the_page_names_every_column(history: History, database: Database) -> None:
    """In the order of the views' names; nothing is left out, and nothing is told that is not there."""

    def columns(connection: Connection) -> dict[str, set[str]]:
        return {name: {column["name"] for column in inspect(connection).get_columns(name)} for name in views.NAMES}

    found = await database.read(columns)
    for name, expected in found.items():
        section = PAGE.split(f"\n### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
        cells = re.findall(r"^\| ([a-z_, ]+) \|", section, re.MULTILINE)
        named = {part.strip() for cell in cells for part in cell.split(",")} - {"column"}
        assert named == expected, name


async def test_times_and_amounts(history: History, database: Database, record: Record) -> None:
    """Times compare as times do, amounts as numbers."""
    await record(of_payment(1, amount=Decimal("10.10"), currency="USD"))
    since = "SELECT count(*) FROM payments WHERE recorded_at >= '2023-11-14' AND recorded_at < '2023-11-15'"
    asked = f"SELECT ({since}), (SELECT sum(amount) * 2 FROM payments)"  # noqa: S608  # both are above
    row = await database.read(lambda connection: connection.exec_driver_sql(asked).one())
    assert (row[0], round(Decimal(str(row[1])), 2)) == (1, Decimal("20.20"))
