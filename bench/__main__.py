"""``make bench``, or ``python -m bench``: measures all there is, or what ``--only`` names."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback

import uvloop
from redis.exceptions import RedisError

from bench import page
from bench.figures import Report
from bench.machine import Machine
from bench.parts import PARTS
from bench.plan import Plan
from bench.show import show
from bench.versions import versions


def main() -> int:
    """Runs the benchmarks and prints the figures; 1 if one failed, or with ``--strict`` if a mark is missed."""
    options = _options()
    plan = Plan(options.rounds, options.seed, options.quick)
    began, reports, failed = time.monotonic(), list[Report](), list[str]()
    with Machine() as machine:
        facts = versions(machine) | {"seed": str(options.seed)}
        for name in options.only or PARTS:
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                reports.append(uvloop.run(_run(name, machine, plan)))
            except (OSError, RuntimeError, RedisError):
                # Show what the other benchmarks measured all the same.
                traceback.print_exc()
                failed.append(name)
                machine.show_output()
                machine.stop()
    if options.json:
        print(json.dumps({**facts, "reports": [report.as_json() for report in reports]}, indent=2))
    else:
        took = f"{time.monotonic() - began:.0f} s"
        show(reports, " · ".join((*(f"{name} {value}" for name, value in facts.items()), took)))
    if options.write:
        page.write(reports, facts)
    missed = options.strict and any(figure.verdict == "missed" for report in reports for figure in report.figures)
    return int(missed or bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(PARTS)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], metavar="NAME", help=f"some of {names}")
    parser.add_argument("--redis", action="append_const", dest="only", const="redis", help="the same as --only redis")
    parser.add_argument("--rounds", type=int, default=0, help="number of rounds; a ratio compares values of one round")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--quick", action="store_true", help="so little that figures mean nothing: does all run?")
    parser.add_argument("--write", action="store_true", help="write figures and charts into docs/benchmarks.md")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a mark is missed")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("figures of --quick mean nothing: they are not written")
    return options


async def _run(name: str, machine: Machine, plan: Plan) -> Report:
    return await PARTS[name](machine, plan)


if __name__ == "__main__":
    sys.exit(main())
