"""The account on a terminal or in a file, in words or as JSON: entries of all processes in the order of their times."""

from __future__ import annotations

import asyncio
import heapq
import json
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count

from rich.console import Console
from rich.text import Text

from cli.narrator import Entry, Line, Narrator, happened_at
from cli.output import plain
from schemas.times import rfc3339

SETTLING = 0.25
"""Seconds that a line waits for earlier ones, which come through other pipes."""

_STYLES = {"plain": "", "news": "bold", "good": "green", "bad": "red", "quiet": "dim"}
_ACTORS = {"receiver": "cyan", "worker": "magenta", "sandbox": "blue", "subscriber": "yellow"}


class Screen:
    """Takes lines as they come from the children; prints what `Narrator` makes of them, an object a line for JSON."""

    def __init__(self, account: Narrator, console: Console | None = None, *, as_json: bool = False) -> None:
        self.account = account
        self.console = console or Console(highlight=False, markup=False, soft_wrap=True)
        self.last_told = time.monotonic()
        """When the last line of the account came in, on the monotonic clock: quiet since then."""
        self._as_json = as_json
        self._waiting: list[tuple[float, int, float, str, Entry]] = []
        self._order = count()

    def line(self, who: str, text: str) -> None:
        """A line that the process `who` has printed; what is not a log entry is left to the log file."""
        try:
            entry = json.loads(text)
        except ValueError:
            return
        if isinstance(entry, dict):
            now = time.time()
            heapq.heappush(self._waiting, (happened_at(entry) or now, next(self._order), now, who, entry))

    async def keep_printing(self) -> None:
        """Print what has waited long enough, until cancelled."""
        while True:
            self.print_until(time.time() - SETTLING)
            await asyncio.sleep(0.05)

    def print_until(self, came_in: float) -> None:
        """Print what came in up to then (UNIX seconds), and whatever happened before that."""
        for who, told in self._ripe(came_in):
            self.last_told = time.monotonic()
            if self._as_json:
                self._object(
                    told.at, who, told.what, imp_uid=told.imp_uid, detail=told.detail, since_webhook_seconds=told.since
                )
            else:
                self.console.print(rendered(who, told))

    def say(self, text: str = "", style: str = "") -> None:
        """Something that `relay up` itself has to say."""
        if not self._as_json:
            self.console.print(Text(text, style=style))
        elif text.strip():
            self._object(time.time(), "relay up", text.strip())

    def _object(self, at: float, who: str, what: str, **more: object) -> None:
        line = json.dumps({"at": rfc3339(at), "who": who, "what": what, **more}, ensure_ascii=False)
        self.console.print(Text(line))

    @property
    def quiet(self) -> bool:
        """Whether everything that came in has been printed."""
        return not self._waiting

    def _ripe(self, came_in: float) -> Iterator[tuple[str, Line]]:
        newest = max((at for at, _, arrived, _, _ in self._waiting if arrived <= came_in), default=None)
        while newest is not None and self._waiting and self._waiting[0][0] <= newest:
            at, _, _, who, entry = heapq.heappop(self._waiting)
            told = self.account.tell(who, entry, at)
            if told is not None:
                yield who, told


def rendered(who: str, told: Line) -> Text:
    """One line: clock, time since the webhook, who, what, which payment, details."""
    clock = datetime.fromtimestamp(told.at).astimezone().strftime("%H:%M:%S.%f")[:-3]
    return Text.assemble(
        (f"{clock} ", "dim"),
        (f"{_took(told.since):>9}  ", "dim"),
        (f"{who:<10} ", _ACTORS.get(who, "")),
        (f"{plain(told.what):<18} ", _STYLES[told.mood]),
        (f"{plain(told.imp_uid):<18} ", ""),
        (plain(told.detail), _STYLES[told.mood]),
    )


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"+{seconds * 1000:.0f} ms" if seconds < 1 else f"+{seconds:.2f} s"
