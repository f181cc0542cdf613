"""The table in docs/reliability.md: what the last run of each scenario of `make chaos` found."""

from __future__ import annotations

import re
from collections import Counter

from tests.chaos.accounting import Account, median
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "reliability.md"


def write(scenario: str, seed: int, rate: float, made: Account) -> None:
    """Replace what the page says of this scenario, between its markers."""
    begin, end = f"<!-- {scenario}: begin -->", f"<!-- {scenario}: end -->"
    text = PAGE.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    assert pattern.search(text), f"{PAGE.name} has no place for {scenario}"
    PAGE.write_text(pattern.sub(lambda _: f"{begin}\n{_table(seed, rate, made)}\n{end}", text))


def _table(seed: int, rate: float, made: Account) -> str:
    outcomes = Counter(made.outcomes)
    rows = {
        "seed": seed,
        "webhooks a second, offered": f"{rate:g}",
        "webhooks accepted": made.accepted,
        "… for so many payments": made.payments,
        "= delivered": outcomes["delivered"],
        "+ pending": outcomes["pending"],
        "+ dead": outcomes["dead"],
        "+ rejected (made-up payments)": outcomes["rejected"],
        "lost": made.lost,
        "facts": made.facts,
        "distinct event ids of one fact, at most": made.most_ids,
        "promises broken (order, events that never happened, …)": len(made.broken),
        "callbacks taken": made.callbacks,
        "… of these duplicates": made.duplicates,
        "answers to webhooks other than 200 (0: none at all)": _others(made.answers),
        **{f"{what} in history, each once": count for what, count in made.in_history.items()},
        "faults injected": sum(len(times) for times in made.recovery.values()),
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    lines += ["", "| fault | times | seconds to recover: median | most | until history had everything, most |"]
    lines += ["|---|---|---|---|---|"]
    lines += [
        f"| {name} | {len(t)} | {median(t):.1f} | {max(t):.1f} | {max(made.recorded_in[name]):.1f} |"
        for name, t in sorted(made.recovery.items())
    ]
    return "\n".join(lines)


def _others(answers: Counter[int]) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()) if status != 200) or "none"
