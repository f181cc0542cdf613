"""Alerts, charts and timelines: pure decisions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from console.operations.history_state import HistoryState
from console.operations.read_endpoints import EndpointView
from console.operations.read_events import EventView
from console.operations.read_merchants import MerchantView
from console.operations.read_payments import PaymentView
from console.operations.read_stats import RelayStats
from console.operations.trace_payment import PaymentTrace
from console.web.alerts import alerts
from console.web.catalogue import catalogue_of
from console.web.charts import HEIGHT, columns, pulse
from console.web.curl import command
from console.web.reason_display import as_text
from console.web.time_display import Clock
from console.web.timeline import timeline, undelivered
from ledger.acl import AclProblem
from ledger.acl_watch import RedisStatus
from ledger.deliveries import DeliveryView
from ledger.durability import Durability
from ledger.endpoints import RegisteredEndpoint
from ledger.heartbeats import Worker
from ledger.memory import Memory
from ledger.merchants import Merchant
from ledger.notifications import StoredNotification
from ledger.payments import Payment, RefreshState
from ledger.stats import RefusedBodies, Stats
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.states import DeliveryState
from schemas.payments.body_reasons import BodyReason
from schemas.payments.cancellations import CancellationRequest
from schemas.reasons import Reason
from schemas.times import rfc3339
from tests.support.reasons import because

NOW = 1795433533.0


def stats(**changes: Any) -> RelayStats:
    """Numbers of a relay that is well, but for these: fields of `RelayStats` or of its `numbers`."""
    numbers: dict[str, Any] = {
        "looks_due": 0, "oldest_look": None, "looks_paused": 0, "oldest_paused_look": None, "pending": 0, "dead": 0,
        "held": 0, "oldest_delivery": None, "deliveries_paused": 0, "oldest_paused_delivery": None, "refused": {},
        "spooled": 0, "receivers": 0, "spool_troubles": (), "refused_bodies": (),
    }  # fmt: skip
    numbers |= {name: changes.pop(name) for name in list(changes) if name in numbers}
    fields: dict[str, Any] = {
        "endpoints": (), "endpoints_left_out": False, "workers": [worker()], "durability": Durability(True, ()),
        "memory": Memory(50, 100, nearly_full=False), "allows": RedisStatus(None, None, None),
        "history": HistoryState(0.0, 0), "webhook_loss_rate": None,
    }  # fmt: skip
    return RelayStats(Stats(**numbers), **{**fields, **changes})


def worker(*, quiet: bool = False, trouble: Reason | None = None) -> Worker:
    """A worker that runs, but for this."""
    return Worker("host-1", "1", NOW, NOW, quiet, None, None, trouble)


def endpoint(*, state: Any = "enabled", breaker: str = "closed", disabled_reason: Reason | None = None) -> EndpointView:
    """An endpoint that is well, but for this."""
    registered = Endpoint(id="ep_1", merchant="m", url="https://shop", disabled_reason=disabled_reason)
    return EndpointView(RegisteredEndpoint(registered, state, 1.0, breaker, 0, None, None), ())


def merchant(name: str, trouble: Reason | None = None) -> MerchantView:
    """A merchant, and why i'mport cannot be asked for it."""
    return MerchantView(Merchant(name, NOW, NOW, trouble=trouble), "api", None)


def payment(*requests: CancellationRequest, status: str = "cancelled", fetched_at: float | None = None) -> PaymentView:
    """A payment with these cancellation requests."""
    stored = Payment("m", "i", "o", status, 1, Decimal(1), Decimal(0), "KRW", fetched_at, b"{}")
    return PaymentView(stored, requests, {})


def test_nothing_is_wrong() -> None:
    """A relay that is well has no alerts."""
    assert alerts(stats(), [endpoint()], [], [], 0, NOW) == []


def test_the_worst_comes_first() -> None:
    """Everything that is wrong is named, what loses data or stands still before what is only late."""
    waiting = payment(CancellationRequest("can_1", None, "open", "webhook", int(NOW - 8 * 86400)))
    found = alerts(
        stats(dead=2, held=1, oldest_delivery=90.0, durability=Durability(False, (because("appendonly is no"),)),
              webhook_loss_rate=0.01),
        [endpoint(state="disabled", disabled_reason=Reason.of("endpoint_gone")), endpoint(breaker="open"), endpoint()],
        [merchant("m", Reason.of("iamport_status", status=500)), merchant("n")],
        [waiting],
        3,
        NOW,
    )  # fmt: skip
    assert [one.key for one in found] == [
        "redis", "iamport", "disabled", "failing", "dead", "held", "late_deliveries", "stale", "refused", "loss",
    ]  # fmt: skip
    assert [one.level for one in found] == ["bad"] * 5 + ["warn"] * 5
    assert found[7].link == "/payments/m/i"


def test_bodies_that_were_refused_lately_are_named() -> None:
    """Version V2 has an alert of its own, since it concerns all webhooks of the merchant; after a day there is none."""
    codes: tuple[tuple[BodyReason, float], ...] = (("version_2", 60), ("empty", 3600), ("not_json", 2 * 86400))
    bodies = tuple(RefusedBodies("m", code, 2, NOW - ago) for code, ago in codes)
    found = alerts(stats(refused_bodies=bodies), [], [], [], 0, NOW)
    assert [(one.key, one.level, one.reasons) for one in found] == [
        ("version_2", "warn", ()), ("bodies", "warn", (Reason.of("empty"),)),
    ]  # fmt: skip


def test_a_standstill_comes_before_all() -> None:
    """A queue that does not work, a full Redis, no running worker; a trouble that all share is mentioned once."""
    problem = AclProblem("queue", Reason.of("commands_forbidden", commands="KEYS", rights="+keys"), lasting=True)
    still = {"dead": 1, "allows": RedisStatus(None, problem, None), "memory": Memory(97, 100, nearly_full=True)}
    silent = worker(quiet=True, trouble=because("long ago"))
    found = alerts(stats(**still, workers=[worker(trouble=problem.reason), silent]), [], [], [], 0, NOW)
    assert [one.key for one in found] == ["full", "queue", "dead", "quiet"]
    found = alerts(stats(workers=[silent]), [], [], [], 0, NOW)
    assert [one.key for one in found] == ["no_worker", "quiet"]
    found = alerts(stats(workers=[worker(), worker(trouble=problem.reason)]), [], [], [], 0, NOW)
    assert [(one.key, one.reasons) for one in found] == [("hindered", (problem.reason,))]


def test_a_spool_that_stores_nothing_is_named() -> None:
    """While Redis works as well: without it that receiver would refuse webhooks."""
    full = Reason.of("spool_unusable", Reason.of("disk_error", error="database or disk is full"))
    (found,) = alerts(stats(receivers=2, spool_troubles=(full,)), [], [], [], 0, NOW)
    assert (found.level, found.key, found.reasons) == ("bad", "spool_broken", (full,))


def test_columns_fill_their_chart() -> None:
    """The highest takes all of it, a small one is seen, nothing is nothing."""
    chart = columns([0, 1, 100], ["a", "b", "c"])
    assert (chart.peak, chart.total, [bar.label for bar in chart.bars]) == (100, 101, ["b", "c"])
    assert (chart.bars[0].height, chart.bars[1].height, chart.bars[1].y) == (2.0, HEIGHT, 0.0)
    assert columns([], []).bars == ()
    assert columns([0, 0], ["a", "b"]).bars == ()


def attempt(status: int | None, ms: int, error: Reason | None = None) -> Attempt:
    """An attempt that ended so."""
    return Attempt(NOW, status, ms, error, "", replay=False)


KOREAN = Clock(NOW, "KST", catalogue_of("ko"))


def test_a_bar_says_what_came_of_its_attempt() -> None:
    """The status of the answer, or why there was none, in the reader's language."""
    refused = attempt(None, 5, Reason.of("connection_refused"))
    answered, unanswered = pulse([attempt(500, 20), refused], KOREAN).chart.bars
    assert ": 500, 20 ms" in answered.label
    assert f": {as_text(Reason.of('connection_refused'), KOREAN)}, 5 ms" in unanswered.label


def test_the_pulse_of_an_endpoint() -> None:
    """Shares, middle and slow times; an answer that came too late is a failure."""
    seen = pulse(
        [attempt(200, 10), attempt(500, 20), attempt(200, 3000, Reason.of("timed_out", timeout=3.0)), attempt(204, 30)],
        KOREAN,
    )
    assert (seen.count, seen.success_rate, seen.median_ms, seen.slow_ms) == (4, 0.5, 30, 3000)
    assert [bar.level for bar in seen.chart.bars] == ["ok", "bad", "bad", "ok"]
    assert pulse([], KOREAN).success_rate is None


def delivery(state: DeliveryState, *, event: str = "evt_1", created_at: float = NOW) -> DeliveryView:
    """A delivery in this state."""
    return DeliveryView(f"{event}.ep_1", event, "ep_1", "m", "payment.paid", "i", state, created_at, None, None, ())


def event(event_id: str, type_: str, sequence: int) -> EventView:
    """An event of a payment, recorded a second from now."""
    body = {"id": event_id, "type": type_, "timestamp": rfc3339(NOW), "data": {"sequence": sequence}}
    return EventView(body, NOW + 1, silent=False)


def test_a_timeline_is_in_order() -> None:
    """A webhook, a request, the events with their deliveries, the end of the request, the last refresh."""
    first, later = event("evt_1", "payment.paid", 1), event("evt_2", "payment.cancelled", 2)
    request = CancellationRequest("can_1", None, "confirmed", "api", int(NOW), closed_at=int(NOW + 1))
    webhook = StoredNotification("ntf_1", "m", "i", None, None, None, None, NOW, "applied", None)
    dead = delivery("dead")
    trace = PaymentTrace(
        payment(request, fetched_at=NOW + 60), RefreshState(NOW + 60, 0, False), [webhook], [later, first],
        {"evt_1": [dead]}, truncated=False,
    )  # fmt: skip
    entries = timeline(trace)
    assert [entry.kind for entry in entries] == ["notified", "requested", "recorded", "recorded", "closed", "refreshed"]
    assert [entry.row for entry in entries if entry.kind == "recorded"] == [first, later]
    assert entries[2].deliveries == [dead]


def test_dead_deliveries_come_first() -> None:
    """What has arrived or was discarded needs nobody."""
    states: tuple[DeliveryState, ...] = ("pending", "delivered", "held", "dead", "discarded")
    assert [row.state for row in undelivered(map(delivery, states))] == ["dead", "held", "pending"]


def test_a_command_survives_a_shell() -> None:
    """Quotes, dollars and line ends of a body are only text."""
    text = command("https://shop/x?a=1&b=$(id)", {"webhook-id": "evt_1"}, b'{"name": "it\'s $HOME"}')
    assert text.splitlines() == [
        "curl -X POST 'https://shop/x?a=1&b=$(id)' \\",
        "  -H 'webhook-id: evt_1' \\",
        """  --data-binary '{"name": "it'"'"'s $HOME"}'""",
    ]
