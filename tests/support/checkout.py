"""The files of this checkout, and a copy of them elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.processes import ROOT


def tracked() -> set[str]:
    """The files that git knows, or would know once they are committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.splitlines() if (ROOT / name).exists()}


def copied(target: Path) -> Path:
    """A checkout as somebody with another umask would write it at another time."""
    for name in sorted(tracked(), reverse=True):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((ROOT / name).read_bytes())
        (target / name).chmod(0o700 if os.access(ROOT / name, os.X_OK) else 0o600)
    return target
