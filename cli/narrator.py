"""What the processes log, told to people: one line a step, with the time it took since the webhook came in.

`Narrator.tell` is a pure translation of log entries; entries it has nothing to say about give nothing.
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
_ENDS = {"dead": "callback given up", "hold": "callback held", "disable": "endpoint disabled"}
_SNAKE = re.compile(r"(?<=\w)_(?=\w)")
_LOUD = ("warning", "error", "critical")
_PLUMBING = ("event", "level", "timestamp", "logger", "exception", "stack")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the account."""

    at: float
    who: str
    what: str
    imp_uid: str
    detail: str
    mood: str
    """`plain`, `news`, `good`, `bad` or `quiet`: how it is coloured."""
    since: float | None
    """Seconds since this payment's latest webhook."""


def happened_at(entry: Entry) -> float | None:
    """The entry's time in UNIX seconds, None where it has none."""
    try:
        moment = datetime.fromisoformat(str(entry.get("timestamp")))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


class Narrator:
    """Follows payments through the log entries of all processes, given in the order of their times."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.names = dict(names or {})
        """How endpoints are called in the account, by id."""
        self._accepted: OrderedDict[str, float] = OrderedDict()
        self.recorded: list[str] = []
        """Types of the events so far that are to be delivered."""
        self.delivered = 0
        """Callbacks that have arrived at the endpoints in `names`, at any where there are none."""
        self.retried = 0

    def tell(self, who: str, entry: Entry, default_at: float) -> Line | None:
        """The line for an entry of the process `who`, or None when it is not for people."""
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
            what, detail, mood = wording(self, entry)
        elif entry.get("level") in _LOUD:
            what, detail, mood = _SNAKE.sub(" ", name.partition("\n")[0]), _fields(entry), "bad"
        else:
            return None
        begun = self._accepted.get(imp_uid)
        return Line(at, who, what, imp_uid, detail, mood, None if begun is None else max(0.0, at - begun))

    def _endpoint(self, entry: Entry) -> str:
        endpoint = str(entry.get("endpoint") or "")
        return self.names.get(endpoint, endpoint)


def _fields(entry: Entry) -> str:
    return " ".join(f"{name}={value}" for name, value in entry.items() if name not in (*_PLUMBING, "imp_uid"))


def _numbered(entry: Entry) -> str:
    sequence = entry.get("sequence")
    return str(entry.get("type", "?")) + (f" (#{sequence})" if sequence else "")


def _webhook_sent(_account: Narrator, entry: Entry) -> tuple[str, str, str]:
    answer = entry.get("status_code")
    return "webhook answered", str(answer or entry.get("error") or "not at all"), "quiet" if answer == 200 else "bad"


def _webhook_accepted(_account: Narrator, entry: Entry) -> tuple[str, str, str]:
    place = "in the spool" if entry.get("place") == "spool" else "on disk"
    return "webhook accepted", f"says {entry.get('status') or '?'}; {place}", "plain"


def _cancellation_asked(_account: Narrator, entry: Entry) -> tuple[str, str, str]:
    return "cancellation asked", f"through the console, which answers {entry.get('status_code', '?')}", "plain"


def _payment_looked_up(_account: Narrator, entry: Entry) -> tuple[str, str, str]:
    news = entry.get("news")
    if isinstance(news, list | tuple):
        news = len(news)
    found = {0: "nothing new", 1: "1 new fact"}.get(news, f"{news} new facts") if isinstance(news, int) else ""
    return "payment fetched", ", ".join(filter(None, (f"is {entry.get('status', '?')}", found))), "plain"


def _event_recorded(account: Narrator, entry: Entry) -> tuple[str, str, str]:
    status = f"; the payment is {entry['status']}" if entry.get("status") else ""
    if entry.get("silent"):
        return "event recorded", f"{_numbered(entry)}{status}; an old fact, delivered to nobody", "quiet"
    account.recorded.append(str(entry.get("type", "?")))
    return "event recorded", _numbered(entry) + status, "news"


def _delivery_attempted(account: Narrator, entry: Entry) -> tuple[str, str, str]:
    answer = entry.get("status_code") or entry.get("error") or "no answer"
    took = f" in {entry['duration_ms']} ms" if "duration_ms" in entry else ""
    said = f"{_numbered(entry)} to {account._endpoint(entry)}: {answer}{took}"
    if entry.get("outcome") == "delivered":
        account.delivered += not account.names or entry.get("endpoint") in account.names
        return "callback delivered", said, "good"
    if entry.get("outcome") != "retry":
        return _ENDS.get(str(entry.get("outcome")), "callback settled"), said, "bad"
    account.retried += 1
    wait = entry.get("next_in")
    again = f"; again in {wait:.1f} s" if isinstance(wait, int | float) else "; will be sent again"
    return "callback failed", said + again, "bad"


def _callback_received(_account: Narrator, entry: Entry) -> tuple[str, str, str]:
    verified = entry.get("verified")
    signature = "" if verified is None else ", signature verified" if verified else ", SIGNATURE WRONG"
    place = f" at {entry['path']}" if entry.get("path") else ""
    return "callback received", _numbered(entry) + place + signature, "bad" if verified is False else "quiet"


_WORDINGS: dict[str, Callable[[Narrator, Entry], tuple[str, str, str]]] = {
    "webhook_sent": _webhook_sent,
    "webhook_accepted": _webhook_accepted,
    "cancellation_asked": _cancellation_asked,
    "payment_looked_up": _payment_looked_up,
    "event_recorded": _event_recorded,
    "delivery_attempted": _delivery_attempted,
    "callback_received": _callback_received,
}
