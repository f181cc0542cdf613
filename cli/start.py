"""The entry point of `relay`. It imports inside the function, so that an early Ctrl-C shows no traceback."""

from __future__ import annotations

from runtime.garbage import importing


def main() -> None:
    """Runs the command in the process's arguments. Exit status: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C."""
    try:
        with importing():
            from cli.main import app

        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
