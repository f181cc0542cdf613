"""The Pythons of this machine that the relay is made for."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
_WHICH = "import sys, venv; print('%d.%d' % sys.version_info[:2])"


@cache
def installed() -> dict[str, Path]:
    """An interpreter of each version that is there: one of pyenv's, or on PATH, where pyenv's shims are slow."""
    found: dict[str, Path] = {}
    for version in VERSIONS:
        on_path = shutil.which(f"python{version}")
        of_pyenv = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python3"))
        for candidate in [*of_pyenv, *([Path(on_path)] if on_path else [])]:
            ran = subprocess.run([candidate, "-ISc", _WHICH], capture_output=True, text=True)  # a shim may not run
            if ran.stdout.strip() == version:
                found[version] = candidate
                break
    return found
