"""The narrator: log entries become lines for people."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from rich.console import Console

from cli.narrator import Narrator
from cli.screen import Screen


def at(second: float, event: str, **fields: Any) -> dict[str, Any]:
    """A log entry of some second of some minute."""
    return {"event": event, "timestamp": f"2026-11-23T01:02:{second:09.6f}Z", "level": "info", **fields}


def screen(*, as_json: bool = False) -> tuple[Screen, io.StringIO]:
    """A screen that writes plainly into memory."""
    output = io.StringIO()
    console = Console(file=output, highlight=False, markup=False, soft_wrap=True)
    return Screen(Narrator({"ep_1": "shop"}), console, as_json=as_json), output


@pytest.mark.parametrize(
    ("entry", "what", "detail"),
    [
        (at(1, "webhook_sent", imp_uid="imp_1", status="paid", status_code=200), "webhook answered", "200"),
        (at(1, "webhook_accepted", imp_uid="imp_1", status="paid"), "webhook accepted", "says paid; on disk"),
        (
            at(1, "webhook_accepted", imp_uid="imp_1", status="paid", place="spool"),
            "webhook accepted",
            "says paid; in the spool",
        ),
        (at(1, "payment_looked_up", status="paid", events=1), "payment looked up", "is paid, 1 new fact"),
        (at(1, "payment_looked_up", status="paid", events=0), "payment looked up", "is paid, nothing new"),
        (
            at(1, "event_recorded", imp_uid="imp_1", type="payment.paid", sequence=2, status="paid"),
            "event recorded",
            "payment.paid (#2); the payment is paid",
        ),
        (
            at(1, "delivery_attempted", endpoint="ep_1", type="payment.paid", outcome="delivered", status_code=200,
               duration_ms=7),
            "callback delivered",
            "payment.paid to shop: 200 in 7 ms",
        ),
        (
            at(1, "delivery_attempted", endpoint="ep_2", type="payment.paid", outcome="retry", status_code=500,
               duration_ms=3, next_in=2.04),
            "callback failed",
            "payment.paid to ep_2: 500 in 3 ms; retry in 2.0 s",
        ),
        (
            at(1, "delivery_attempted", endpoint="ep_1", type="payment.paid", outcome="dead", error="refused"),
            "delivery dead",
            "payment.paid to shop: refused",
        ),
        (
            at(1, "delivery_attempted", endpoint="ep_1", type="payment.paid", outcome="disable", status_code=410),
            "endpoint disabled",
            "payment.paid to shop: 410",
        ),
        (
            at(1, "callback_received", type="payment.paid", sequence=1, verified=True, path="/flaky"),
            "callback received",
            "payment.paid (#1) at /flaky, signature verified",
        ),
        (
            at(1, "callback_received", type="payment.paid", sequence=1, verified=False),
            "callback received",
            "payment.paid (#1), SIGNATURE WRONG",
        ),
    ],
)  # fmt: skip
def test_each_step_has_its_line(entry: dict[str, Any], what: str, detail: str) -> None:
    """Webhook, look, event, delivery and receipt each have a line that names the event's type."""
    line = Narrator({"ep_1": "shop"}).describe("somebody", entry, 0.0)
    assert line is not None
    assert (line.step, line.detail) == (what, detail)


def test_times_count_from_the_webhook_of_the_same_payment() -> None:
    """The time since the webhook is what people want to know."""
    narrator = Narrator()
    narrator.describe("receiver", at(1, "webhook_accepted", imp_uid="imp_1"), 0.0)
    narrator.describe("receiver", at(2, "webhook_accepted", imp_uid="imp_2"), 0.0)
    line = narrator.describe("worker", at(1.25, "event_recorded", imp_uid="imp_1", type="payment.paid"), 0.0)
    assert line is not None
    assert line.since_webhook == pytest.approx(0.25)


def test_warnings_are_shown_and_other_entries_are_not() -> None:
    """Every warning and error is shown; entries that are not for people are not."""
    narrator = Narrator()
    assert narrator.describe("worker", at(1, "sweep_done"), 0.0) is None
    line = narrator.describe("worker", {**at(1, "iamport_failing", reason="timeout"), "level": "warning"}, 0.0)
    assert line is not None
    assert (line.step, line.detail, line.style) == ("iamport failing", "reason=timeout", "bad")


def test_events_and_callbacks_are_counted() -> None:
    """The demo ends when every event has reached every endpoint."""
    narrator = Narrator()
    narrator.describe("worker", at(1, "event_recorded", type="payment.paid"), 0.0)
    narrator.describe("worker", at(1, "event_recorded", type="payment.failed", silent=True), 0.0)
    narrator.describe("worker", at(2, "delivery_attempted", type="payment.paid", outcome="retry"), 0.0)
    narrator.describe("worker", at(3, "delivery_attempted", type="payment.paid", outcome="delivered"), 0.0)
    assert (narrator.recorded, narrator.delivered, narrator.retried) == (["payment.paid"], 1, 1)


def test_lines_come_out_in_the_order_of_their_times() -> None:
    """What the receiver did first is shown first, though the worker's pipe was read first."""
    shown, output = screen()
    shown.add("worker", json.dumps(at(2, "event_recorded", imp_uid="imp_1", type="payment.paid")))
    shown.add("receiver", json.dumps(at(1, "webhook_accepted", imp_uid="imp_1", status="paid")))
    shown.print_until(time.time())
    first, second = output.getvalue().splitlines()
    assert "webhook accepted" in first
    assert "payment.paid" in second
    assert "+1.00 s" in second


def test_what_is_no_log_entry_is_left_to_the_log_file() -> None:
    """Banners and tracebacks of libraries do not break the narrator."""
    shown, output = screen()
    for text in ("Traceback (most recent call last):", "[1, 2]", "", '{"event": "x", "timestamp": 5}'):
        shown.add("worker", text)
    shown.print_until(time.time())
    assert output.getvalue() == ""


def test_control_characters_in_a_webhook_do_not_reach_the_terminal() -> None:
    """A webhook's fields are anybody's text."""
    shown, output = screen()
    shown.add("receiver", json.dumps(at(1, "webhook_accepted", imp_uid="imp_1", status="a\x1b[2Jb")))
    shown.print_until(time.time())
    assert "says a�[2Jb" in output.getvalue()


def test_there_are_no_colours_where_there_is_no_terminal() -> None:
    """A file gets plain text."""
    shown, output = screen()
    shown.add("worker", json.dumps(at(1, "event_recorded", imp_uid="imp_1", type="payment.paid")))
    shown.print_until(time.time())
    assert "\x1b" not in output.getvalue()


def test_programs_get_a_line_of_json_for_each_step() -> None:
    """The same narrator with --json: every line is an object, empty ones are left out."""
    shown, output = screen(as_json=True)
    shown.say("\niamport-relay is up\n", "bold")
    shown.say()
    shown.add("receiver", json.dumps(at(3.5, "webhook_accepted", imp_uid="imp_1", status="paid")))
    shown.print_until(time.time())
    said, step = [json.loads(line) for line in output.getvalue().splitlines()]
    assert (said["who"], said["what"]) == ("relay up", "iamport-relay is up")
    assert step == {
        "at": "2026-11-23T01:02:03.500Z", "who": "receiver", "what": "webhook accepted", "imp_uid": "imp_1",
        "detail": "says paid; on disk", "since_webhook_seconds": 0,
    }  # fmt: skip
