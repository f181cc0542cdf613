"""What needs attention, how charts are drawn, and how a story is put together: pure decisions."""

from __future__ import annotations

from typing import Any

from console.web.alerts import concerns
from console.web.charts import HEIGHT, columns, pulse
from console.web.curl import command
from console.web.timeline import story, undelivered
from schemas.reasons import Reason
from schemas.times import rfc3339
from tests.support.reasons import because

NOW = 1795433533.0


def stats(**deliveries: Any) -> dict[str, Any]:
    """Numbers of a relay that is well, but for these."""
    return {
        "refresh": {"due": 0, "oldest_due_seconds": None}, "workers": [worker()],
        "ledger": {"works": True, "reason": None}, "queue": {"works": True, "reason": None},
        "memory": {"ratio": 0.5, "nearly_full": False},
        "deliveries": {"pending": 0, "dead": 0, "held": 0, "oldest_due_seconds": None, **deliveries},
        "redis": {"durable": True, "reasons": []}, "spool": None, "webhook_loss_rate": None,
        "refused_bodies": [],
    }  # fmt: skip


def worker(**fields: Any) -> dict[str, Any]:
    """A worker that runs, but for this."""
    return {"name": "host-1", "state": "running", "trouble": None, **fields}


def endpoint(**fields: Any) -> dict[str, Any]:
    """An endpoint that is well, but for this."""
    return {"id": "ep_1", "url": "https://shop", "state": "enabled", "breaker": "closed", "success_rate": 1.0,
            "last_error": None, "disabled_reason": None, **fields}  # fmt: skip


def test_nothing_is_wrong() -> None:
    """A relay that is well asks for nobody's attention."""
    assert concerns(stats(), [endpoint()], [], [], 0, NOW) == []


def test_the_worst_comes_first() -> None:
    """Everything that is wrong is named, what loses data or stands still before what is only late."""
    pending = {
        "merchant": "m",
        "imp_uid": "i",
        "cancellations": [{"state": "open", "requested_at": rfc3339(NOW - 8 * 86400)}],
    }
    found = concerns(
        {**stats(dead=2, held=1, oldest_due_seconds=90.0), "redis": {"durable": False, "reasons": [because("appendonly is no")]},
         "webhook_loss_rate": 0.01},
        [endpoint(state="disabled", disabled_reason=Reason.of("endpoint_gone")), endpoint(breaker="open"), endpoint()],
        [{"merchant": "m", "trouble": Reason.of("iamport_status", status=500)}, {"merchant": "n", "trouble": None}],
        [pending],
        3,
        NOW,
    )  # fmt: skip
    assert [one.key for one in found] == [
        "redis", "iamport", "disabled", "failing", "dead", "held", "late_deliveries", "stale", "refused", "loss",
    ]  # fmt: skip
    assert [one.level for one in found] == ["bad"] * 5 + ["warn"] * 5
    assert found[7].link == "/payments/m/i"


def test_bodies_that_were_refused_lately_are_named() -> None:
    """Version V2 by itself, since it is the whole merchant's webhooks; a day later it is no news any more."""
    bodies = [
        {
            "merchant": "m",
            "reason": Reason.of(code),
            "reason_code": code,
            "count": 2,
            "last_at": rfc3339(NOW - ago),
        }
        for code, ago in (("version_2", 60), ("empty", 3600), ("not_json", 2 * 86400))
    ]
    found = concerns({**stats(), "refused_bodies": bodies}, [], [], [], 0, NOW)
    assert [(one.key, one.level, one.reasons) for one in found] == [
        ("version_2", "warn", ()), ("bodies", "warn", (Reason.of("empty"),)),
    ]  # fmt: skip


def test_what_stands_still_comes_before_all() -> None:
    """A queue that does not work, a full Redis, and nobody who works; a trouble that all share is told once."""
    trouble = because("its Redis user may not use KEYS")
    still = {
        **stats(dead=1), "queue": {"works": False, "reason": trouble}, "memory": {"ratio": 0.97, "nearly_full": True},
    }  # fmt: skip
    quiet = worker(state="quiet", trouble=because("long ago"))
    found = concerns({**still, "workers": [worker(trouble=trouble), quiet]}, [], [], [], 0, NOW)
    assert [one.key for one in found] == ["full", "queue", "dead", "quiet"]
    found = concerns({**stats(), "workers": [quiet]}, [], [], [], 0, NOW)
    assert [one.key for one in found] == ["no_worker", "quiet"]
    found = concerns({**stats(), "workers": [worker(), worker(trouble=trouble)]}, [], [], [], 0, NOW)
    assert [(one.key, one.reasons) for one in found] == [("hindered", (trouble,))]


def test_columns_fill_their_chart() -> None:
    """The highest takes all of it, a small one is seen, nothing is nothing."""
    chart = columns([0, 1, 100], ["a", "b", "c"])
    assert (chart.peak, chart.total, [bar.label for bar in chart.bars]) == (100, 101, ["b", "c"])
    assert (chart.bars[0].height, chart.bars[1].height, chart.bars[1].y) == (2.0, HEIGHT, 0.0)
    assert columns([], []).bars == ()
    assert columns([0, 0], ["a", "b"]).bars == ()


def attempt(status: int | None, ms: int, error: str | None = None) -> dict[str, Any]:
    """An attempt as the API shows it."""
    return {
        "at": rfc3339(NOW),
        "status_code": status,
        "duration_ms": ms,
        "error": error,
        "response": "",
        "replay": False,
    }


def test_the_pulse_of_an_endpoint() -> None:
    """Shares, middle and slow times; an answer that came too late is a failure."""
    seen = pulse([attempt(200, 10), attempt(500, 20), attempt(200, 3000, "timed out after 3s"), attempt(204, 30)])
    assert (seen.count, seen.success_rate, seen.median_ms, seen.slow_ms) == (4, 0.5, 30, 3000)
    assert [bar.level for bar in seen.chart.bars] == ["ok", "bad", "bad", "ok"]
    assert pulse([]).success_rate is None


def test_a_story_is_told_in_order() -> None:
    """Claim, request, what a look found with its deliveries, the end of the request, the last look."""
    event = {"id": "evt_1", "type": "payment.paid", "recorded_at": rfc3339(NOW + 1), "data": {"sequence": 1}}
    later = {"id": "evt_2", "type": "payment.cancelled", "recorded_at": rfc3339(NOW + 1), "data": {"sequence": 2}}
    delivery = {"id": "evt_1.ep_1", "state": "dead", "created_at": rfc3339(NOW + 1)}
    payment = {
        "status": "cancelled", "fetched_at": rfc3339(NOW + 60),
        "cancellations": [{"requested_at": rfc3339(NOW), "closed_at": rfc3339(NOW + 1), "state": "confirmed"}],
    }  # fmt: skip
    told = story(payment, [{"received_at": rfc3339(NOW), "outcome": "applied"}], [later, event], {"evt_1": [delivery]})
    assert [entry.kind for entry in told] == ["claimed", "asked", "found", "found", "closed", "looked"]
    assert [entry.row.get("id") for entry in told if entry.kind == "found"] == ["evt_1", "evt_2"]
    assert told[2].deliveries == [delivery]


def test_dead_deliveries_come_first() -> None:
    """What has arrived or was discarded is nobody's task."""
    rows = [{"state": state, "created_at": state} for state in ("pending", "delivered", "held", "dead", "discarded")]
    assert [row["state"] for row in undelivered({"e": rows})] == ["dead", "held", "pending"]


def test_a_command_survives_a_shell() -> None:
    """Quotes, dollars and line ends of a body are only text."""
    text = command("https://shop/x?a=1&b=$(id)", {"webhook-id": "evt_1"}, b'{"name": "it\'s $HOME"}')
    assert text.splitlines() == [
        "curl -X POST 'https://shop/x?a=1&b=$(id)' \\",
        "  -H 'webhook-id: evt_1' \\",
        """  --data-binary '{"name": "it'"'"'s $HOME"}'""",
    ]
