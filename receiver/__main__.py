"""`python -m receiver`: take webhooks until asked to stop."""

from __future__ import annotations

import logging
import os
import sys

import uvloop

from receiver.server import allow_connections, listen, serve
from runtime import logging as logs
from runtime.environment import warn_of_settings_without_effect
from runtime.settings import Settings
from schemas.errors import BadSetting


def main() -> int:
    """The process; its exit status. A bad setting is one line on stderr and status 1."""
    try:
        settings = Settings.load()
        logs.configure(settings.log_format, settings.log_level)
        warn_of_settings_without_effect(os.environ)
        # uvicorn tells of every client that does not speak HTTP; only its own trouble is news.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        allow_connections()
        return uvloop.run(serve(settings, listen(settings)))
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
