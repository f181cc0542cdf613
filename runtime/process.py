"""Start a process: load its settings, set up its log, and report a missing or wrong setting in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from runtime import logging
from runtime.settings import Settings
from schemas.errors import BadSetting


def run(work: Callable[[Settings], int], only: Sequence[str] | None = None) -> int:
    """Load the settings (with `only`, just the variables that it names), set up the log, do the work, and return the
    exit status.

    A `BadSetting`, at the start or from `work`, becomes one line on standard error and status 1.
    """
    try:
        settings = Settings.load(only=only)
        logging.configure(settings.log_format, settings.log_level)
        return work(settings)
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
