"""`python -m console`: the operator API and the web console, on 127.0.0.1:8001 unless HOST and PORT say otherwise."""

from __future__ import annotations

import sys

import uvicorn

from console.app import make_app
from console.context import Context
from ledger.ledger import Ledger
from schemas.errors import BadSetting
from schemas.logs import configure
from schemas.seal import Sealer
from schemas.settings import Settings

_STOPS_WITHIN = 15
"""Seconds that requests in flight are given when the process is to stop; streams would never end by themselves."""


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    try:
        settings = Settings.load()
        settings.needs("api_tokens", "encryption_keys")
        configure(settings.log_format, settings.log_level)
        ledger = Ledger.connect(settings.redis_url, settings.queue_url, replica_acks=settings.replica_acks)
        sealer = Sealer([key.get_secret_value() for key in settings.encryption_keys])
    except BadSetting as error:
        sys.stderr.write(f"{error}\n")
        return 1
    config = uvicorn.Config(
        make_app(Context(ledger, sealer, settings)),
        host=settings.host or "127.0.0.1",
        port=settings.port or 8001,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOPS_WITHIN,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
