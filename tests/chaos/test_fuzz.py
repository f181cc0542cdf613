"""Arbitrary bytes at the intake and at the reader of i'mport's answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.targets import TARGETS
from tests.support.processes import ROOT, Processes

RUNS = {"webhook": 800_000, "answer": 250_000}  # together more than 1,000,000
FEW = 3_000
FINDS = ROOT / "tests" / "chaos" / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_was_ever_found_is_found_again(target: str) -> None:
    """The corpus holds what once went wrong, and what fuzzing begins with: all of it is taken."""
    files = sorted((FINDS / target).iterdir())
    assert files
    for file in files:
        TARGETS[target](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
async def test_a_few_thousand_bodies(target: str, processes: Processes, tmp_path: Path, seed: int) -> None:
    """A taste of what `make chaos` does."""
    await fuzz(target, FEW, processes, tmp_path, seed)


@pytest.mark.chaos
@pytest.mark.parametrize("target", TARGETS)
async def test_a_million_bodies(target: str, processes: Processes, tmp_path: Path, seed: int) -> None:
    """Together more than 1,000,000 bodies find nothing."""
    await fuzz(target, RUNS[target], processes, tmp_path, seed, within=1800, kept_in=FINDS / target)


async def fuzz(
    target: str, runs: int, processes: Processes, folder: Path, seed: int, within: float = 120,
    kept_in: Path | None = None,
) -> None:  # fmt: skip
    """Fuzz in a process of its own; what was found is kept in a folder, e.g. of the corpus."""
    finds = folder / "finds"
    finds.mkdir()
    process = processes.python("tests.chaos.fuzz", target, str(runs), str(seed), str(finds))
    status = await process.ended(within)
    for find in finds.iterdir():
        if find.is_file() and kept_in is not None:
            await asyncio.to_thread((kept_in / find.name).write_bytes, find.read_bytes())
    found = [find.read_bytes() for find in finds.iterdir() if find.is_file()]
    assert (status, found) == (0, []), process.output[-4000:]
