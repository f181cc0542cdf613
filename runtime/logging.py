"""How every process logs: one line for each event on stderr, with snake_case names and fields and nothing private.

`process.run` calls `configure` once. Lines of Dramatiq, uvicorn and redis-py pass through the same processors, so they
are masked and formatted like ours.
"""

from __future__ import annotations

import json
import logging
import re
import select
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

MASK = "***"

LINES, BURST = 100.0, 500.0

_PIECE = 4096
"""Bytes that a pipe that is ready to write takes without blocking (pipe(7), PIPE_BUF)."""
_PATIENCE = 1.0
"""The most seconds for which the process waits for a slow reader of its log."""

_CHATTY = ("alembic", "httpx", "httpcore", "urllib3", "uvicorn.access", "asyncio")

_PRIVATE_NAME = re.compile(
    r"^buyer_|^card_|^refund_|secret|token|password|authorization|cookie|(api|encryption|imp)_?key"
    r"|^(custom_data|vbank_num|vbank_holder|depositor(_name)?|holder)$",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(\w?)((?<!\d)\d(?:[ -]?\d){12,18}(?!\d))")
_MAYBE_DIGITS = re.compile(r"\d[\d -]{12}")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_BEARER = re.compile(r"\b(bearer\s+|whsec_)[\w.~+/=-]+", re.IGNORECASE)


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit that card numbers have (ISO/IEC 7812)."""
    doubled = (int(d) * 2 for d in digits[-2::-2])
    return (sum(int(d) for d in digits[-1::-2]) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0


def _card(match: re.Match[str]) -> str:
    """Masks a number that stands alone. A number within an id (`imp_…`) is masked only if it could be a card's."""
    before, number = match[1], match[2]
    if before and not _luhn(re.sub(r"\D", "", number)):
        return match[0]
    return before + MASK


def _masked_text(text: str) -> str:
    # Nearly every text holds nothing to mask. These checks are most of the cost of a line, so they are cheap ones.
    if _MAYBE_DIGITS.search(text):
        text = _DIGITS.sub(_card, text)
    if "://" in text:
        text = _CREDENTIALS.sub(f"://{MASK}@", text)
    folded = text.casefold()
    if "bearer" in folded or "whsec_" in folded:
        text = _BEARER.sub(rf"\g<1>{MASK}", text)
    return text


@lru_cache(maxsize=1024)
def _is_private(name: str) -> bool:
    return _PRIVATE_NAME.search(name) is not None


def masked(name: str, value: Any) -> Any:
    """The value as a log may show it under this name. A value of a type that JSON lacks becomes its masked `repr`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return MASK if value and _is_private(name) else value
    if _is_private(name):
        return MASK
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, Mapping):
        return {str(key): masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked("", item) for item in value]
    return _masked_text(repr(value))


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: masked(name, value) for name, value in event.items()}


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event).decode()
    except TypeError:  # half a surrogate pair, or an integer beyond 64 bits: the standard library writes both
        return json.dumps(event)


class _Budget:
    """Limits the lines of each event at `info` to `LINES` a second. The next line that is written has the number of
    those that were left out.

    A line costs about as much as the refresh of a payment, and its content is in the ledger anyway. Warnings and errors
    are always written. At level `debug` everything is.
    """

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float, int]] = {}

    def spend(self, event: str) -> int | None:
        """How many lines were left out before this one; None if this one has to be left out as well."""
        now = time.monotonic()
        lines, at, left_out = self._left.get(event, (BURST, now, 0))
        lines = min(lines + (now - at) * LINES, BURST)
        if lines < 1:
            self._left[event] = (lines, now, left_out + 1)
            return None
        self._left[event] = (lines - 1, now, 0)
        return left_out


def _sparing(logger: type[FilteringBoundLogger]) -> type[FilteringBoundLogger]:
    """The same logger with a budget at `info`: a line beyond the budget is only counted."""
    budget, write = _Budget(), logger.info

    def info(self: FilteringBoundLogger, event: str, *args: Any, **fields: Any) -> Any:
        left_out = budget.spend(event)
        if left_out is None:
            return None
        return write(self, event, *args, **(fields | {"left_out": left_out} if left_out else fields))

    return type("Sparing", (logger,), {"info": info})


class _Unfailing:
    """A stream that drops lines that it cannot write: neither a full disk nor a pipe that no process reads may keep
    webhooks from being answered.

    It waits for a slow reader, but for a tenth of the time at most. Before the next line that it can write, it writes
    one with the number of lines that it dropped.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self._stream = stream
        self._as_json = as_json
        self._poll = _poll(stream)
        self._patience, self._at = _PATIENCE, time.monotonic()
        self._dropped = 0
        self._is_cut = False
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        with self._lock:  # structlog and logging have a lock each, and a `poll` serves one thread at a time
            before = ("\n" if self._is_cut else "") + (self._dropped_line() if self._dropped else "")
            if self._is_written(before + text):
                self._dropped, self._is_cut = 0, False
            else:
                self._dropped += 1

    def _is_written(self, text: str) -> bool:
        size = _PIECE if text.isascii() else _PIECE // 4
        for start in range(0, len(text), size):
            if not self._has_room():
                self._is_cut = self._is_cut or start > 0
                return False
            try:
                self._stream.write(text[start : start + size])
                self._stream.flush()
            except (OSError, UnicodeError):
                return False
        return True

    def _dropped_line(self) -> str:
        # Not through a logger: structlog holds its lock while it writes.
        if not self._as_json:
            return f"log_lines_dropped count={self._dropped}\n"
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = {"count": self._dropped, "event": "log_lines_dropped", "level": "warning", "timestamp": at}
        return orjson.dumps(line).decode() + "\n"

    def flush(self) -> None:
        """Do nothing: `write` leaves nothing to flush."""

    def _has_room(self) -> bool:
        """Whether a piece can be written at once, after waiting for a slow reader if necessary."""
        if self._poll is None or self._poll.poll(0):
            return True
        now = time.monotonic()
        self._patience = min(_PATIENCE, self._patience + (now - self._at) / 10)
        has_room = bool(self._poll.poll(self._patience * 1000))
        self._at = time.monotonic()
        self._patience = max(0.0, self._patience - (self._at - now))
        return has_room


def _poll(stream: TextIO) -> select.poll | None:
    """A poll that shows whether a piece can be written at once; None for a stream without a file descriptor."""
    try:
        descriptor = stream.fileno()
    except (OSError, AttributeError):
        return None
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return poll


def configure(log_format: Literal["json", "console"], log_level: str, stream: TextIO | None = None) -> None:
    """Write everything from `log_level` up to `stream` (stderr when None), as JSON or, for people, as text."""
    stream = stream or sys.stderr
    output = _Unfailing(stream, as_json=log_format == "json")
    level = logging.getLevelNamesMapping()[log_level.upper()]
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    after: list[Processor] = [_mask, _as_json]
    if log_format == "console":
        after[1] = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    logger = structlog.make_filtering_bound_logger(level)
    structlog.configure(
        processors=[*before, *after],
        wrapper_class=_sparing(logger) if level == logging.INFO else logger,
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", output)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", output))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before[:1], structlog.stdlib.add_logger_name, *before[1:]],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *after],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
