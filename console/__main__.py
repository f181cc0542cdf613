"""`python -m console`: the operator API and the web console, on 127.0.0.1:8001 unless HOST and PORT say otherwise."""

from __future__ import annotations

import sys

import uvloop

from console.server import listen, make_context, serve
from schemas.errors import BadSetting
from schemas.logs import configure
from schemas.settings import Settings


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit status. A setting that is missing or wrong is one line on stderr."""
    try:
        settings = Settings.load()
        configure(settings.log_format, settings.log_level)
        context = make_context(settings)
        listener = listen(settings)
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
    uvloop.run(serve(context, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
