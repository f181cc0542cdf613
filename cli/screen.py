"""Prints what the processes do, one line for each step in the order of time, for people or as JSON."""

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
from cli.output import printable
from schemas.times import rfc3339

REORDER_WINDOW = 0.25
"""Seconds for which a line waits for earlier lines that come through other pipes."""

_STYLES = {"plain": "", "event": "bold", "good": "green", "bad": "red", "dim": "dim"}
_PROCESS_STYLES = {"receiver": "cyan", "worker": "magenta", "sandbox": "blue", "subscriber": "yellow"}


class Screen:
    """Takes the lines that the processes print, and prints what `Narrator` makes of them; as JSON, an object a line."""

    def __init__(self, narrator: Narrator, console: Console | None = None, *, as_json: bool = False) -> None:
        self.narrator = narrator
        self.console = console or Console(highlight=False, markup=False, soft_wrap=True)
        self.last_line_at = time.monotonic()
        """When the last line was printed, on the monotonic clock."""
        self._as_json = as_json
        self._waiting: list[tuple[float, int, float, str, Entry]] = []
        self._order = count()

    def add(self, process: str, text: str) -> None:
        """Add a line that a process has printed. A line that is not a log entry is not shown; the log file has it."""
        try:
            entry = json.loads(text)
        except ValueError:
            return
        if isinstance(entry, dict):
            now = time.time()
            heapq.heappush(self._waiting, (happened_at(entry) or now, next(self._order), now, process, entry))

    async def keep_printing(self) -> None:
        """Print lines once they have waited long enough, until cancelled."""
        while True:
            self.print_until(time.time() - REORDER_WINDOW)
            await asyncio.sleep(0.05)

    def print_until(self, added_until: float) -> None:
        """Print the lines that were added until then (UNIX seconds), and all lines of earlier times."""
        for process, line in self._ready(added_until):
            self.last_line_at = time.monotonic()
            if self._as_json:
                more = {"detail": line.detail, "since_webhook_seconds": line.since_webhook}
                self._print_object(line.at, process, line.step, imp_uid=line.imp_uid, **more)
            else:
                self.console.print(rendered(process, line))

    def say(self, text: str = "", style: str = "") -> None:
        """Print a message of `relay up` itself."""
        if not self._as_json:
            self.console.print(Text(text, style=style))
        elif text.strip():
            self._print_object(time.time(), "relay up", text.strip())

    @property
    def is_idle(self) -> bool:
        """Whether every line has been printed."""
        return not self._waiting

    def _print_object(self, at: float, who: str, what: str, **more: object) -> None:
        line = json.dumps({"at": rfc3339(at), "who": who, "what": what, **more}, ensure_ascii=False)
        self.console.print(Text(line))

    def _ready(self, added_until: float) -> Iterator[tuple[str, Line]]:
        newest = max((at for at, _, added, _, _ in self._waiting if added <= added_until), default=None)
        while newest is not None and self._waiting and self._waiting[0][0] <= newest:
            at, _, _, process, entry = heapq.heappop(self._waiting)
            line = self.narrator.describe(process, entry, at)
            if line is not None:
                yield process, line


def rendered(process: str, line: Line) -> Text:
    """One line: time, time since the webhook, process, step, payment, details."""
    clock = datetime.fromtimestamp(line.at).astimezone().strftime("%H:%M:%S.%f")[:-3]
    return Text.assemble(
        (f"{clock} ", "dim"),
        (f"{_took(line.since_webhook):>9}  ", "dim"),
        (f"{process:<10} ", _PROCESS_STYLES.get(process, "")),
        (f"{printable(line.step):<18} ", _STYLES[line.style]),
        (f"{printable(line.imp_uid):<18} ", ""),
        (printable(line.detail), _STYLES[line.style]),
    )


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"+{seconds * 1000:.0f} ms" if seconds < 1 else f"+{seconds:.2f} s"
