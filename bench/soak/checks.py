"""What has to be so after a run, and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.machine import ROOT
from bench.soak.kept import Kept
from bench.soak.outcome import EXPECTED, Outcome
from bench.soak.times import Times
from tests.support.headings import anchors
from tests.support.prometheus import DOCS

MOST_UNTRACED_NOISE = 5
"""Standard deviations by which the number of traced webhooks may differ from their share: never by chance."""


@dataclass(frozen=True, slots=True)
class Check:
    """`what` is to be so; `found` says what was."""

    what: str
    holds: bool
    found: str


def checks(outcome: Outcome, times: Times) -> list[Check]:
    """All of them, in the order of the run."""
    return [*(_memory(outcome) if times.judges_memory else ()), *_others(outcome, times)]


def _others(outcome: Outcome, times: Times) -> list[Check]:
    return [
        Check("no alert is pending or fires under steady load", not outcome.alerts_in_peace,
              ", ".join(sorted(outcome.alerts_in_peace)) or "none"),
        *_alerts(outcome),
        Check("webhooks are spooled while Redis is away", outcome.spooled > 0, f"{outcome.spooled:,.0f} in the spool"),
        *_kept(outcome.kept, times.traced),
    ]  # fmt: skip


def opens_a_run_book(url: str) -> bool:
    """Whether a link of an alert leads to a heading of a page here."""
    page, _, anchor = url.removeprefix(f"{DOCS}/").partition("#")
    place = ROOT / "docs" / page
    return url.startswith(DOCS) and place.is_file() and anchor in anchors(place.read_text())


def _memory(outcome: Outcome) -> Iterator[Check]:
    for one in outcome.memory:
        if one.judged:
            found = f"{one.early / 2**20:.1f} → {one.late / 2**20:.1f} MiB, {one.a_webhook:+.0f} B a webhook"
            yield Check(f"memory is flat: {one.name}", one.is_flat, found)


def _alerts(outcome: Outcome) -> Iterator[Check]:
    fired = {one.name for one in outcome.alerts}
    extra = fired - EXPECTED
    yield Check("the right alerts fire while Redis is away", fired >= EXPECTED, ", ".join(sorted(fired)) or "none")
    yield Check("no others do", not extra, ", ".join(sorted(extra)) or "none")
    for one in outcome.alerts:
        yield Check(f"{one.name} opens its run book", opens_a_run_book(one.runbook_url), one.page)
        ended = "not ended" if one.ended is None else f"{one.ended:.0f} s after Redis is back"
        yield Check(f"{one.name} ends again", one.ended is not None, ended)


def _kept(kept: Kept, traced: float) -> Iterator[Check]:
    yield Check("every webhook is acknowledged", not kept.refused, f"{kept.refused} of {kept.sent:,} refused")
    yield Check("every payment's callback comes", not kept.missing, f"{kept.missing} of {kept.sent:,} missing")
    wrong = {name: count for name, count in kept.history.items() if count != kept.sent}
    found = ", ".join(f"{count:,} {name}" for name, count in kept.history.items())
    yield Check("history has each once", not wrong, found)
    share = kept.sent * traced
    off = abs(kept.traced - share)
    near = off <= MOST_UNTRACED_NOISE * share**0.5
    yield Check(f"{traced * 100:g} % of the webhooks are traced", near, f"{kept.traced} traces")
    yield Check("each trace goes to the callback", not kept.traces_incomplete, f"{kept.traces_incomplete} do not")
