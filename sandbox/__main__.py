"""`python -m sandbox`: i'mport on loopback, port 8002 unless `PORT` says otherwise.

`SANDBOX_WEBHOOK_URL` is where webhooks go; `IMP_KEY` and `IMP_SECRET` are the credentials it takes (`sandbox_key` and
`sandbox_secret` unless set).
"""

from __future__ import annotations

import os
import sys

from sandbox.app import build
from sandbox.serve import port_of, serve, set_up_logs
from schemas.errors import BadSetting


def main() -> None:
    """Reads the environment and serves."""
    environ = os.environ
    try:
        port = port_of(environ, 8002)
        set_up_logs(environ)
    except BadSetting as error:
        sys.exit(str(error))
    key, secret = environ.get("IMP_KEY") or "sandbox_key", environ.get("IMP_SECRET") or "sandbox_secret"
    serve(build({key: secret}, environ.get("SANDBOX_WEBHOOK_URL") or None), port)


if __name__ == "__main__":
    main()
