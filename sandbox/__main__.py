"""`python -m sandbox`: i'mport on loopback, port 8002 unless `PORT` says otherwise.

`SANDBOX_WEBHOOK_URL` is where webhooks go; `IMP_KEY` and `IMP_SECRET` are the credentials it takes (`sandbox_key` and
`sandbox_secret` unless set).
"""

from __future__ import annotations

import os
import sys

from sandbox.app import build
from sandbox.serve import load_settings, serve
from schemas.errors import BadSetting


def main() -> None:
    """Reads the environment and serves."""
    try:
        settings = load_settings("IMP_KEY", "IMP_SECRET")
    except BadSetting as error:
        sys.exit(str(error))
    key = settings.imp_key or "sandbox_key"
    secret = settings.imp_secret.get_secret_value() if settings.imp_secret else "sandbox_secret"
    serve(build({key: secret}, os.environ.get("SANDBOX_WEBHOOK_URL") or None), settings.port or 8002)


if __name__ == "__main__":
    main()
