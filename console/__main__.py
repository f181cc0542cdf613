"""`python -m console`: the operator API and the web console, on 127.0.0.1:8001 unless HOST and PORT say otherwise."""

from __future__ import annotations

import sys

from runtime.garbage import importing

with importing():
    from console.server import answer_operators
    from runtime import process


def main() -> int:
    """Run the console; return its exit status."""
    return process.run(answer_operators)


if __name__ == "__main__":
    sys.exit(main())
