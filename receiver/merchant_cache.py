"""The list of merchants on disk, for a receiver that starts while the ledger is away.

Without the list such a receiver would know no merchant, and could spool only what the budget of unknown merchants
allows. Receivers that share a folder write the same list. No webhook is refused because of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson
import structlog

from runtime.repeated_lines import Repeats

NAME = "merchants.json"
VERSION = 1

log = structlog.get_logger()


class MerchantCache:
    """A file in the spool's folder: merchants' names, and the SHA-256 in hex of their webhook tokens."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._failures = Repeats()

    def read(self) -> Mapping[str, str | None] | None:
        """The list; None if there is no readable one."""
        try:
            fields: Any = orjson.loads(self._path.read_bytes())
            known = fields["merchants"] if fields["v"] == VERSION else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("merchant_cache_unreadable", reason=type(error).__name__)
            return None
        if not isinstance(known, dict) or not all(value is None or isinstance(value, str) for value in known.values()):
            return None
        return known

    def write(self, known: Mapping[str, str | None]) -> bool:
        """Replace the whole list; return whether that worked. A failure is logged once a minute, and costs no
        webhook."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._path.parent, prefix=f"{NAME}.", delete=False) as file:  # mode 0600
                try:
                    file.write(orjson.dumps({"v": VERSION, "merchants": dict(known)}))
                    file.flush()
                    os.fsync(file.fileno())
                    Path(file.name).replace(self._path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if (times := self._failures.times(reason)) is not None:
                log.warning("merchant_cache_not_written", reason=reason, times=times)
            return False
        return True
