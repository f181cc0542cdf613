"""How fast a full history answers what operators ask, on SQLite and PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bench.figures import Figure, Report
from bench.filling import BEGAN, ENDPOINT, EVERY
from bench.full_histories import NO_POSTGRES, filled, postgres, sqlite_of
from bench.machine import Machine
from bench.plan import Plan
from history import History
from history.pages import PageRequest
from runtime.history_url import parse

PAYMENTS = 1_000_000
ASKED = 20

Ask = Callable[[], Awaitable[Any]]


async def answers(machine: Machine, plan: Plan) -> Report:
    """What operators ask of a million payments: wall time, the median of 20."""
    payments = plan.size(PAYMENTS, 2_000)
    with postgres() as database:
        found = {"SQLite": await _ask_all(await sqlite_of(machine, payments), payments)}
        if database is not None:
            url = database.create("full")
            await filled(url, payments)
            found["PostgreSQL"] = await _ask_all(url, payments)
    figures = tuple(
        Figure(f"{question}, {name}", "ms", tuple(rows[question]), more=False, least=50)
        for question in next(iter(found.values()))
        for name, rows in found.items()
    )
    return Report("answers", figures, notes=() if database else (NO_POSTGRES,))


async def _ask_all(url: str, payments: int) -> Mapping[str, list[float]]:
    """How many ms each question took, each time."""
    history = History.connect(parse(url))
    try:
        return {name: [await _timed(ask) for _ in range(ASKED)] for name, ask in _questions(history, payments).items()}
    finally:
        await history.close()


async def _timed(ask: Ask) -> float:
    began = time.perf_counter()
    await ask()
    return (time.perf_counter() - began) * 1000


def _questions(history: History, payments: int) -> Mapping[str, Ask]:
    middle = payments // 2
    page = PageRequest(50)
    since, until = ((BEGAN + middle * EVERY) / 1000 + days * 86400 for days in (0, 1))

    async def first_piece() -> Any:
        return await anext(history.exports.stream("payments", since=since))

    async def deep() -> Any:
        cursor = (await history.payments.list(PageRequest(1, until=since))).next_cursor
        return await history.payments.list(PageRequest(50, cursor))

    return {
        "payments, first page": lambda: history.payments.list(page),
        "payments, a page in the middle": deep,
        "payments of a rare status": lambda: history.payments.list(page, status="failed"),
        "events of a window": lambda: history.events.list(PageRequest(50, since=since, until=until)),
        "deliveries, first page": lambda: history.deliveries.list(page),
        "deliveries that are dead": lambda: history.deliveries.list(page, state="dead"),
        "deliveries, three filters": lambda: history.deliveries.list(
            page, endpoint=ENDPOINT, merchant="unknown", type_="payment.paid"
        ),
        "notifications of a payment": lambda: history.notifications.list(page, imp_uid=f"imp_{middle:012d}"),
        "search for an order number": lambda: history.find(f"ORD-2023-{middle:08d}"),
        "search for a buyer": lambda: history.find("홍길동"),
        "search for an unknown buyer": lambda: history.find("unknown@nowhere"),
        "an export's first piece": first_piece,
    }
