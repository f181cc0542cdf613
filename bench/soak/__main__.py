"""``make soak``, or ``python -m bench.soak``: see docs/soak.md."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import uvloop

from bench.machine import Machine
from bench.soak import page
from bench.soak.checks import Check, checks
from bench.soak.dashboard import filled
from bench.soak.outcome import Outcome
from bench.soak.play import play
from bench.soak.screens import NoPictures, camera
from bench.soak.show import show
from bench.soak.stage import MAXMEMORY, Missing, staged
from bench.soak.times import QUICK, Times
from bench.versions import of_prometheus, ours


def main() -> int:
    """Plays the run and prints what was found; 1 if something is not as it has to be."""
    options = _options()
    times = QUICK if options.quick else replace(Times(), steady=options.seconds)
    try:
        with Machine("--maxmemory", MAXMEMORY) as machine:
            outcome, found = uvloop.run(_run(machine, times, options))
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    show(outcome, found)
    return int(not all(check.holds for check in found))


async def _run(machine: Machine, times: Times, options: argparse.Namespace) -> tuple[Outcome, Sequence[Check]]:
    """Plays the run, and writes the page where that is wanted."""
    async with AsyncExitStack() as stack:
        photographer = await stack.enter_async_context(camera(page.IMAGES)) if options.write else NoPictures()
        stage = await stack.enter_async_context(staged(machine, times))
        outcome = await play(stage, times, options.seed, photographer)
        found = checks(outcome, times)
        if options.write:
            facts = ours(machine) | of_prometheus() | {"seed": str(options.seed)}
            page.write(outcome, found, times, facts, await filled(stage.watcher, outcome.began, outcome.ended))
        return outcome, found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Times().steady, help="of steady load; 600")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--quick", action="store_true", help="half a minute, without memory: does all run?")
    parser.add_argument("--write", action="store_true", help="write results and pictures into docs/soak.md")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("what --quick finds means little: it is not written")
    return options


if __name__ == "__main__":
    sys.exit(main())
