"""`python -m sandbox`: i'mport on loopback, port 8002 unless `PORT` says otherwise.

`SANDBOX_WEBHOOK_URL` is the address that webhooks go to. `IMP_KEY` and `IMP_SECRET` are the credentials that it accepts
(`sandbox_key` and `sandbox_secret` unless set).
"""

from __future__ import annotations

import os
import sys

from runtime.garbage import importing

with importing():
    from runtime import process
    from runtime.settings import Settings
    from sandbox.app import build
    from sandbox.serve import SETTINGS, serve


def main() -> int:
    """Run the sandbox; return its exit status."""
    return process.run(play_iamport, only=(*SETTINGS, "IMP_KEY", "IMP_SECRET"))


def play_iamport(settings: Settings) -> int:
    """Serve i'mport's API until SIGTERM or SIGINT; return the exit status. Raises `BadSetting`."""
    key = settings.imp_key or "sandbox_key"
    secret = settings.imp_secret.get_secret_value() if settings.imp_secret else "sandbox_secret"
    return serve(build({key: secret}, os.environ.get("SANDBOX_WEBHOOK_URL") or None), settings.port or 8002)


if __name__ == "__main__":
    sys.exit(main())
