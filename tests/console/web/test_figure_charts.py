"""Charts of some days: what they show is what was counted, in a picture and as numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from console.web.figure_charts import HEIGHT, by_endpoint, by_method, by_status, refunds, without_webhook
from history.figures import EndpointFigures, NotificationsOfDay, PaymentsOfDay

FIRST = 20_000
"""A day, counted from 1970: 2024-10-04."""
DAYS = [date(2024, 10, 4), date(2024, 10, 5)]


def paid(day: int, count: int, **fields: object) -> PaymentsOfDay:
    """Payments of a day, `count` of 1,000 won each unless said otherwise."""
    known = {
        "status": "paid", "pay_method": "card", "currency": "KRW", "amount": Decimal(1000 * count),
        "cancelled_amount": Decimal(0), "unannounced": 0,
    }  # fmt: skip
    return PaymentsOfDay(day=FIRST + day, count=count, **{**known, **fields})  # type: ignore[arg-type]


def test_a_day_is_a_column_of_its_parts() -> None:
    """The highest takes the whole height; what is rare can be seen; a status nobody knows yet comes last."""
    found = by_status(
        [paid(0, 1), paid(1, 900), paid(1, 100, status="failed"), paid(1, 1, status="odd")], DAYS, str.upper
    )
    assert (found.names, found.totals) == (("paid", "failed", "odd"), (901, 100, 1))
    assert found.rows == ((DAYS[0], (1, 0, 0)), (DAYS[1], (900, 100, 1)))
    assert (found.chart.peak, found.chart.total) == (1001, 1002)
    heights = [bar.height for bar in found.chart.bars]
    assert min(heights) == 2.0
    assert sum(heights[1:]) <= HEIGHT + 2
    assert found.chart.bars[2].label == "10-05 FAILED: 100"


def test_nothing_is_an_empty_chart() -> None:
    """No division by what is not there."""
    found = by_status([], DAYS, str)
    assert (found.chart.bars, found.names, found.totals) == ((), (), ())
    assert (by_method([]), refunds([], DAYS), by_endpoint([])) == ([], [], [])


def test_methods_come_by_how_often_they_are_used() -> None:
    """With their amounts in each currency; a payment without one is of an unknown method."""
    rows = by_method([paid(0, 1, pay_method=None), paid(0, 2), paid(1, 1, currency="USD", amount=Decimal("1.50"))])
    assert [(row.method, row.count, row.share) for row in rows] == [("card", 3, 0.75), ("unknown", 1, 0.25)]
    assert rows[0].amounts == {"KRW": Decimal(2000), "USD": Decimal("1.50")}


def test_refunds_are_of_one_currency() -> None:
    """Digit for digit; a currency without refunds has no chart."""
    half = Decimal("500.50")
    found = refunds([paid(0, 1), paid(1, 1, cancelled_amount=half), paid(1, 5, currency="USD")], DAYS)
    assert [(row.currency, row.refunded, row.count) for row in found] == [("KRW", half, 1)]
    assert found[0].share == 0.25025
    assert found[0].days.rows[1] == (DAYS[1], (half,))


def test_lost_webhooks_and_those_that_came() -> None:
    """By day; outcomes that did not occur are left out."""
    came = [NotificationsOfDay(FIRST, "applied", 3), NotificationsOfDay(FIRST + 1, "rejected", 1)]
    lost, received = without_webhook([paid(0, 4, unannounced=2)], came, DAYS, str)
    assert (lost.totals, received.names, received.totals) == ((2,), ("applied", "rejected"), (3, 1))


def test_an_endpoints_latencies_add_up() -> None:
    """Shares of what was delivered; none of an endpoint that got nothing."""
    busy, dead = EndpointFigures("ep_1", 4, 3, 4, 0, (1, 2, 0, 0, 1)), EndpointFigures("ep_2", 1, 0, 0, 1, (0,) * 5)
    rows = by_endpoint([dead, busy])
    assert [row.sums.endpoint for row in rows] == ["ep_1", "ep_2"]
    assert rows[0].shares == (0.25, 0.5, 0.0, 0.0, 0.25)
    assert [bar.level for bar in rows[0].chart.bars] == ["within_100ms", "within_1s", "within_longer"]
    assert (rows[1].shares, rows[1].chart.bars) == ((None,) * 5, ())
