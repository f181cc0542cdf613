"""The charts of some days, computed on the server, each with the rows of a table that has the same numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from console.web.charts import WIDTH, Bar, Chart
from history.figures import EndpointFigures, NotificationsOfDay, PaymentsOfDay
from schemas.payments.facts import Status

HEIGHT = 160
LATENCY_NAMES = ("within_100ms", "within_1s", "within_10s", "within_1min", "within_longer")
UNKNOWN = "unknown"

N = TypeVar("N", int, Decimal)
_EPOCH = date(1970, 1, 1).toordinal()
_OUTCOMES = ("applied", "unchanged", "pending", "rejected")
_STATUSES = tuple(status.value for status in Status)


@dataclass(frozen=True, slots=True)
class DayChart:
    """A column for each day, with a part for each of `names`. `rows` has the same numbers day by day, `totals` their
    sums by name."""

    chart: Chart
    names: tuple[str, ...]
    rows: tuple[tuple[date, tuple[int | Decimal, ...]], ...]
    totals: tuple[int | Decimal, ...]


@dataclass(frozen=True, slots=True)
class MethodRow:
    """The payments of one method: how many, their share of all, and their amounts by currency."""

    method: str
    count: int
    share: float
    amounts: Mapping[str, Decimal]
    chart: Chart


@dataclass(frozen=True, slots=True)
class Refunds:
    """Refunds in one currency, by the day of the payment; `share` is their share of the amount that was paid."""

    currency: str
    days: DayChart
    refunded: Decimal
    share: float | None
    count: int


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint's outcomes, and the times of its deliveries: as a bar with parts and as shares of those delivered."""

    sums: EndpointFigures
    shares: tuple[float | None, ...]
    chart: Chart


def by_status(payments: Iterable[PaymentsOfDay], days: Sequence[date], word: Callable[[str], str]) -> DayChart:
    """Payments by the day of their first record and the status that they have now."""
    counts: dict[tuple[date, str], int] = defaultdict(int)
    for row in payments:
        counts[_date(row.day), row.status] += row.count
    known = [name for name in _STATUSES if any(name == of for _, of in counts)]
    others = sorted({name for _, name in counts} - set(known))
    return _stacked(days, (*known, *others), counts, 0, word)


def by_method(payments: Iterable[PaymentsOfDay]) -> list[MethodRow]:
    """Payments by method, the most frequent first."""
    counts: dict[str, int] = defaultdict(int)
    amounts: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in payments:
        method = row.pay_method or UNKNOWN
        counts[method] += row.count
        amounts[method][row.currency] += row.amount
    total = sum(counts.values())
    return [
        MethodRow(method, count, count / total, amounts[method], _line([count / total], ["method"]))
        for method, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def refunds(payments: Sequence[PaymentsOfDay], days: Sequence[date]) -> list[Refunds]:
    """Refunds of each currency in which something was refunded, the one with most payments first."""
    by_currency: dict[str, list[PaymentsOfDay]] = defaultdict(list)
    for row in payments:
        by_currency[row.currency].append(row)
    ordered = sorted(by_currency.items(), key=lambda item: -sum(row.count for row in item[1]))
    return [found for currency, rows in ordered if (found := _refunds(currency, rows, days)).refunded]


def without_webhook(
    payments: Iterable[PaymentsOfDay],
    notifications: Iterable[NotificationsOfDay],
    days: Sequence[date],
    word: Callable[[str], str],
) -> tuple[DayChart, DayChart]:
    """Two charts: payments for which no webhook came, and the webhooks that came, by outcome."""
    lost: dict[tuple[date, str], int] = defaultdict(int)
    for row in payments:
        lost[_date(row.day), "lost"] += row.unannounced
    came: dict[tuple[date, str], int] = defaultdict(int)
    for webhooks in notifications:
        came[_date(webhooks.day), webhooks.outcome] += webhooks.count
    outcomes = tuple(name for name in _OUTCOMES if any(name == of for _, of in came))
    return _stacked(days, ("lost",), lost, 0, word), _stacked(days, outcomes, came, 0, word)


def by_endpoint(endpoints: Iterable[EndpointFigures]) -> list[EndpointRow]:
    """Endpoints, those with most deliveries first."""
    found = []
    for sums in sorted(endpoints, key=lambda row: -row.count):
        shares = [part / sums.delivered if sums.delivered else None for part in sums.within]
        chart = _line([share or 0.0 for share in shares], LATENCY_NAMES)
        found.append(EndpointRow(sums, tuple(shares), chart))
    return found


def _refunds(currency: str, payments: Sequence[PaymentsOfDay], days: Sequence[date]) -> Refunds:
    amounts: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for row in payments:
        amounts[_date(row.day), "refunded"] += row.cancelled_amount
    refunded, paid = sum(amounts.values(), Decimal()), sum((row.amount for row in payments), Decimal())
    count = sum(row.count for row in payments if row.cancelled_amount)
    chart = _stacked(days, ("refunded",), amounts, Decimal(), lambda _: currency)
    return Refunds(currency, chart, refunded, float(refunded / paid) if paid else None, count)


def _stacked(
    days: Sequence[date],
    names: Sequence[str],
    values: Mapping[tuple[date, str], N],
    zero: N,
    word: Callable[[str], str],
) -> DayChart:
    """Columns from the left, their parts from the bottom in the order of `names`; the highest takes the whole height.
    Every value above 0 stays visible."""
    rows = [(day, tuple(values.get((day, name), zero) for name in names)) for day in days]
    sums = [sum(row, zero) for _, row in rows]
    peak, step = max(sums, default=zero), WIDTH / max(len(rows), 1)
    bars = []
    for place, (day, row) in enumerate(rows):
        bottom = float(HEIGHT)
        for name, value in zip(names, row, strict=True):
            if not value:
                continue
            height = max(float(value / peak) * HEIGHT, 2.0)
            label = f"{day:%m-%d} {word(name)}: {value:,}"
            bottom = max(bottom - height, 0.0)
            x, y, width = round(place * step, 2), round(bottom, 2), round(step * 0.8, 2)
            bars.append(Bar(x, y, width, round(height, 2), label, name))
    totals = tuple(sum((row[place] for _, row in rows), zero) for place in range(len(names)))
    chart = Chart(tuple(bars), float(peak), float(sum(totals, zero)), WIDTH, HEIGHT)
    return DayChart(chart, tuple(names), tuple(rows), totals)


def _line(shares: Sequence[float], names: Sequence[str]) -> Chart:
    """Shares of 1 side by side, as one bar."""
    ends = [0.0]
    for share in shares:
        ends.append(ends[-1] + share * WIDTH)
    bars = tuple(
        Bar(round(left, 2), 0, round(right - left, 2), 12, "", name)
        for name, (left, right) in zip(names, pairwise(ends), strict=True)
        if right > left
    )
    return Chart(bars, 1, 1, WIDTH, 12)


def _date(day: int) -> date:
    return date.fromordinal(_EPOCH + day)
