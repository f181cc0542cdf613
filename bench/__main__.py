"""``python -m bench [ack] [rate] [latency] [starvation] [delayed]``: all of them, or those that are named."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
import traceback
from collections.abc import Awaitable, Callable

import uvloop
from redis.exceptions import RedisError

from bench import ack, delayed, end_to_end, starvation
from bench.figures import Report, show
from bench.machine import Machine

BENCHMARKS: dict[str, Callable[[Machine, int, int], Awaitable[Report]]] = {
    "ack": ack.run,
    "rate": end_to_end.rate,
    "latency": end_to_end.latency,
    "starvation": starvation.run,
    "delayed": delayed.run,
}


def main() -> int:
    """Runs the benchmarks and prints the figures; 1 if one failed, or with ``--strict`` if a mark is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=0, help="number of rounds; a ratio compares values of one round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a mark is missed")
    options = parser.parse_args()
    if unknown := set(options.benchmarks) - BENCHMARKS.keys():
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    began, reports, failed = time.monotonic(), list[Report](), list[str]()
    with Machine() as machine:
        version = machine.redis_version()
        for name in options.benchmarks or BENCHMARKS:
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                reports.append(uvloop.run(_run(name, machine, options.rounds, options.seed)))
            except (OSError, RuntimeError, RedisError):
                # Show what the other benchmarks measured all the same.
                traceback.print_exc()
                failed.append(name)
                machine.stop()
    facts = {
        "seed": options.seed,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "redis": version,
        "appendfsync": "always",
        "seconds": round(time.monotonic() - began),
    }
    figures = [figure for report in reports for figure in report.figures]
    if options.json:
        results = {report.benchmark: [figure.as_json() for figure in report.figures] for report in reports}
        print(json.dumps({**facts, "results": results}, indent=2))
    else:
        show(reports, " · ".join(f"{name} {value}" for name, value in facts.items()))
    missed = options.strict and any(figure.reached is False for figure in figures)
    return int(missed or bool(failed))


async def _run(name: str, machine: Machine, rounds: int, seed: int) -> Report:
    return await BENCHMARKS[name](machine, rounds or (2 if name in ("ack", "rate") else 1), seed)


if __name__ == "__main__":
    sys.exit(main())
