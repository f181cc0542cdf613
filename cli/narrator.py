"""Turns log entries of all processes into lines for people: one for each step, with the time since the webhook.

`Narrator.describe` does no IO. Entries that are not for people make no line.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Entry = Mapping[str, Any]

_REMEMBERED = 1000
_OUTCOMES = {"dead": "delivery dead", "hold": "delivery held", "disable": "endpoint disabled"}
_SNAKE = re.compile(r"(?<=\w)_(?=\w)")
_SHOWN_LEVELS = ("warning", "error", "critical")
_HIDDEN_FIELDS = ("event", "level", "timestamp", "logger", "exception", "stack")


@dataclass(frozen=True, slots=True)
class Line:
    """One line for people."""

    at: float
    process: str
    step: str
    imp_uid: str
    detail: str
    style: str
    """`plain`, `event`, `good`, `bad` or `dim`: how it is coloured."""
    since_webhook: float | None
    """Seconds since this payment's latest webhook."""


def happened_at(entry: Entry) -> float | None:
    """The entry's time in UNIX seconds, None without one."""
    try:
        moment = datetime.fromisoformat(str(entry.get("timestamp")))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


class Narrator:
    """Follows payments through the log entries of all processes, given in the order of their times."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.names = dict(names or {})
        """The names to show for endpoints, by id."""
        self._accepted: OrderedDict[str, float] = OrderedDict()
        self.recorded: list[str] = []
        """The types of the events recorded so far that will be delivered."""
        self.delivered = 0
        """The callbacks delivered to the endpoints in `names`; if `names` is empty, to any endpoint."""
        self.retried = 0

    def describe(self, process: str, entry: Entry, default_at: float) -> Line | None:
        """The line for an entry of `process`, None if it is not for people."""
        name = str(entry.get("event", ""))
        at = happened_at(entry) or default_at
        imp_uid = str(entry.get("imp_uid") or "")
        if name == "webhook_accepted":
            self._accepted[imp_uid] = at
            self._accepted.move_to_end(imp_uid)
            if len(self._accepted) > _REMEMBERED:
                self._accepted.popitem(last=False)
        wording = _WORDINGS.get(name)
        if wording is not None:
            step, detail, style = wording(self, entry)
        elif entry.get("level") in _SHOWN_LEVELS:
            step, detail, style = _SNAKE.sub(" ", name.partition("\n")[0]), _fields(entry), "bad"
        else:
            return None
        accepted = self._accepted.get(imp_uid)
        since_webhook = None if accepted is None else max(0.0, at - accepted)
        return Line(at, process, step, imp_uid, detail, style, since_webhook)

    def _endpoint(self, entry: Entry) -> str:
        endpoint = str(entry.get("endpoint") or "")
        return self.names.get(endpoint, endpoint)


def _fields(entry: Entry) -> str:
    return " ".join(f"{name}={value}" for name, value in entry.items() if name not in (*_HIDDEN_FIELDS, "imp_uid"))


def _numbered(entry: Entry) -> str:
    sequence = entry.get("sequence")
    return str(entry.get("type", "?")) + (f" (#{sequence})" if sequence else "")


def _webhook_sent(_narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    answer = entry.get("status_code")
    return "webhook answered", str(answer or entry.get("error") or "no answer"), "dim" if answer == 200 else "bad"


def _webhook_accepted(_narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    place = "in the spool" if entry.get("place") == "spool" else "on disk"
    return "webhook accepted", f"says {entry.get('status') or '?'}; {place}", "plain"


def _cancellation_requested(_narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    return "cancel requested", f"through the operator API, which answered {entry.get('status_code', '?')}", "plain"


def _payment_looked_up(_narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    events = entry.get("events")
    if isinstance(events, list | tuple):
        events = len(events)
    found = {0: "nothing new", 1: "1 new fact"}.get(events, f"{events} new facts") if isinstance(events, int) else ""
    return "payment looked up", ", ".join(filter(None, (f"is {entry.get('status', '?')}", found))), "plain"


def _event_recorded(narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    status = f"; the payment is {entry['status']}" if entry.get("status") else ""
    if entry.get("silent"):
        return "event recorded", f"{_numbered(entry)}{status}; an old fact, not delivered", "dim"
    narrator.recorded.append(str(entry.get("type", "?")))
    return "event recorded", _numbered(entry) + status, "event"


def _delivery_attempted(narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    answer = entry.get("status_code") or entry.get("error") or "no answer"
    took = f" in {entry['duration_ms']} ms" if "duration_ms" in entry else ""
    text = f"{_numbered(entry)} to {narrator._endpoint(entry)}: {answer}{took}"
    if entry.get("outcome") == "delivered":
        narrator.delivered += not narrator.names or entry.get("endpoint") in narrator.names
        return "callback delivered", text, "good"
    if entry.get("outcome") != "retry":
        return _OUTCOMES.get(str(entry.get("outcome")), "callback settled"), text, "bad"
    narrator.retried += 1
    wait = entry.get("next_in")
    again = f"; retry in {wait:.1f} s" if isinstance(wait, int | float) else "; will be retried"
    return "callback failed", text + again, "bad"


def _callback_received(_narrator: Narrator, entry: Entry) -> tuple[str, str, str]:
    verified = entry.get("verified")
    signature = "" if verified is None else ", signature verified" if verified else ", SIGNATURE WRONG"
    place = f" at {entry['path']}" if entry.get("path") else ""
    return "callback received", _numbered(entry) + place + signature, "bad" if verified is False else "dim"


_WORDINGS: dict[str, Callable[[Narrator, Entry], tuple[str, str, str]]] = {
    "webhook_sent": _webhook_sent,
    "webhook_accepted": _webhook_accepted,
    "cancellation_requested": _cancellation_requested,
    "payment_looked_up": _payment_looked_up,
    "event_recorded": _event_recorded,
    "delivery_attempted": _delivery_attempted,
    "callback_received": _callback_received,
}
