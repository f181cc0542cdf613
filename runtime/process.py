"""How every process begins: its settings, its log, and one line for a setting that is missing or wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from runtime import logging
from runtime.environment import warn_of_settings_without_effect
from runtime.settings import Settings
from schemas.errors import BadSetting


def run(work: Callable[[Settings], int], only: Sequence[str] | None = None) -> int:
    """Load the settings, or no more than those named in `only`, set up the log, and do the work; the exit status.

    `BadSetting`, at the start or from `work`, is one line on standard error and status 1.
    """
    try:
        settings = Settings.load(only=only)
        logging.configure(settings.log_format, settings.log_level)
        if only is None:
            warn_of_settings_without_effect(os.environ)
        return work(settings)
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
