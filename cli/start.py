"""Where the `relay` command begins. All it needs is imported inside, so that an early Ctrl-C meets no traceback."""

from __future__ import annotations


def main() -> None:
    """Run the command named by the process's arguments; exits 0 done, 1 failed, 2 wrong usage, 130 on Ctrl-C."""
    try:
        from cli.main import app

        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
