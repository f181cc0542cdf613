"""`python -m receiver`: take webhooks until asked to stop, on 0.0.0.0:8000 unless HOST and PORT say otherwise."""

from __future__ import annotations

import sys

from runtime.garbage import importing

with importing():
    from receiver.server import take_webhooks
    from runtime import process


def main() -> int:
    """Run the receiver; return its exit status."""
    return process.run(take_webhooks)


if __name__ == "__main__":
    sys.exit(main())
