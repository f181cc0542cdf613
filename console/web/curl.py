"""An attempt as a command that anybody can run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping


def command(url: str, headers: Mapping[str, str], body: bytes) -> str:
    """`curl` with this request, one option a line, safe to paste into a shell."""
    lines = [f"curl -X POST {shlex.quote(url)}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    lines.append(f"--data-binary {shlex.quote(body.decode())}")
    return " \\\n  ".join(lines)
