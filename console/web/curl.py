"""An attempt as a `curl` command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping


def command(url: str, headers: Mapping[str, str], body: bytes) -> str:
    """The `curl` command for this request, one option a line, safe to paste into a shell."""
    lines = [f"curl -X POST {shlex.quote(url)}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    lines.append(f"--data-binary {shlex.quote(body.decode())}")
    return " \\\n  ".join(lines)
