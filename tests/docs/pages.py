"""The pages, their fenced blocks, and a shell to run these in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE

PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block; ``line`` is where it begins."""

    info: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text()
    return [
        Block(found["info"].strip(), found["body"], text.count("\n", 0, found.start()) + 1)
        for found in _FENCE.finditer(text)
    ]


def commands(page: Path) -> list[Block]:
    """The blocks of a page that are run here."""
    return [block for block in blocks(page) if block.info == "sh"]


def bash(script: str, environ: Mapping[str, str], directory: Path, output: Path) -> tuple[int, str]:
    """Exit status and output; what the script leaves running is ended."""
    with output.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            env=environ,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            status = shell.wait(3 * PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    return status, output.read_text()
