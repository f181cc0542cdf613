"""`make soak` runs, and finds what is wrong."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from bench.machine import ROOT
from bench.soak.alert_watch import Look
from bench.soak.checks import checks, opens_a_run_book
from bench.soak.dashboard import Board, Filled, Panel
from bench.soak.drawing import shown, svg
from bench.soak.kept import Kept
from bench.soak.memory import MOST_BYTES, Growth, growth
from bench.soak.outcome import EXPECTED, AlertStory, Outcome, Waits, stories
from bench.soak.page import IMAGES, PAGE, lines
from bench.soak.stand_ins import ListingIamport, Payments
from bench.soak.times import Times
from tests.support.headings import anchors
from tests.support.postgres import find_programs
from tests.support.processes import run_to_its_end
from tests.support.prometheus import DOCS, Alert

PATIENCE = 240.0
"""Seconds after which it hangs; a generous wait, never a measurement. pytest's own limit is longer."""
MIB = 2.0**20
GOOD = Outcome(
    began=0.0,
    ended=700.0,
    memory=[Growth("worker 0", 100 * MIB, 101 * MIB, 28.0), Growth("Prometheus", MIB, 9 * MIB, 99.0, judged=False)],
    cpu={"worker 0": 0.3},
    steady=Waits(10.0, 20.0, 30.0),
    alerts_in_peace=frozenset(),
    away_for=60.0,
    alerts=[AlertStory(name, f"{DOCS}/operating.md#redis-is-away", 40.0, 20.0) for name in sorted(EXPECTED)],
    spooled=4_000.0,
    kept=Kept(
        70_000, 0, 70_000, 3, 0, dict.fromkeys(("notifications", "payments", "events", "delivered"), 70_000), 700, 0
    ),
)


def missed(outcome: Outcome) -> list[str]:
    """What is not as it has to be."""
    return [check.what for check in checks(outcome, Times()) if not check.holds]


@pytest.mark.skipif(
    shutil.which("prometheus") is None or find_programs() is None, reason="needs prometheus, postgresql"
)
def test_a_short_run_finds_all_well() -> None:
    """With every process that there is in service, without and then with Redis again."""
    command = [sys.executable, "-m", "bench.soak", "--quick"]
    done = run_to_its_end(command, PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RelayRedisAway fired after" in done.stdout


def test_a_good_run_misses_nothing() -> None:
    """And its page shows what was found, but of Prometheus' memory, which proves nothing."""
    assert missed(GOOD) == []
    text = "\n".join(lines(GOOD, checks(GOOD, Times()), Times(), {"cores": "2"}))
    assert "| memory is flat: worker 0 | yes | 100.0 → 101.0 MiB, +28 B a webhook |" in text
    assert "Prometheus |" not in text
    assert "| worker 0 | 30% |" in text
    assert "[RelayRedisAway](operating.md#redis-is-away)" in text
    assert "**no**" not in text


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (replace(GOOD, memory=[Growth("receiver", 80 * MIB, 85 * MIB, 150.0)]), "memory is flat: receiver"),
        (replace(GOOD, alerts_in_peace=frozenset({"RelayNoData"})), "no alert is pending or fires under steady load"),
        (replace(GOOD, alerts=GOOD.alerts[:1]), "the right alerts fire while Redis is away"),
        (replace(GOOD, alerts=[*GOOD.alerts, replace(GOOD.alerts[0], name="RelayNoWorker")]), "no others do"),
        (
            replace(GOOD, alerts=[replace(GOOD.alerts[0], ended=None), GOOD.alerts[1]]),
            "RelayRedisAway ends again",
        ),
        (
            replace(GOOD, alerts=[GOOD.alerts[0], replace(GOOD.alerts[1], runbook_url=f"{DOCS}/operating.md#gone")]),
            "RelaySpoolInUse opens its run book",
        ),
        (replace(GOOD, spooled=0.0), "webhooks are spooled while Redis is away"),
        (replace(GOOD, kept=replace(GOOD.kept, refused=1)), "every webhook is acknowledged"),
        (replace(GOOD, kept=replace(GOOD.kept, missing=1)), "every payment's callback comes"),
        (
            replace(GOOD, kept=replace(GOOD.kept, history={**GOOD.kept.history, "events": 70_001})),
            "history has each once",
        ),
        (replace(GOOD, kept=replace(GOOD.kept, traced=500)), "1 % of the webhooks are traced"),
        (replace(GOOD, kept=replace(GOOD.kept, traces_incomplete=1)), "each trace goes to the callback"),
    ],
)
def test_one_thing_that_is_wrong_is_found(bad: Outcome, what: str) -> None:
    """That one, and no other."""
    assert missed(bad) == [what]


def test_a_short_run_does_not_judge_memory() -> None:
    """It could only see how processes start."""
    grown = replace(GOOD, memory=[Growth("receiver", 80 * MIB, 99 * MIB, 150.0)])
    assert [check.what for check in checks(grown, Times(steady=60.0)) if not check.holds] == []


def test_growth_is_from_the_second_fifth_to_the_last() -> None:
    """What a process grows by at its start does not count, nor does what it has for a while and gives back."""
    more = dict.fromkeys((35, *range(80, 96)), 900)
    samples = [(float(at), 50 + (at >= 20) * 50 + more.get(at, 0) + (at >= 80) * 10) for at in range(101)]
    assert growth("receiver", samples, per_second=2.0) == Growth("receiver", 100, 110, 10 / 120)


def test_noise_is_a_share_or_some_bytes() -> None:
    """Of a large process five percent, of a small one a few pages of its allocator."""
    assert Growth("small", 10 * MIB, 10 * MIB + MOST_BYTES, 1.0).is_flat
    assert not Growth("small", 10 * MIB, 10 * MIB + MOST_BYTES + 1, 1.0).is_flat
    assert Growth("large", 200 * MIB, 209 * MIB, 1.0).is_flat
    assert not Growth("large", 200 * MIB, 211 * MIB, 1.0).is_flat


def test_an_alert_is_followed_from_its_first_second_to_its_end() -> None:
    """From Redis' stop until it fires, and from Redis' return until it does not any more; pending does not count."""
    pending, firing = (Alert("RelayRedisAway", state, "url") for state in ("pending", "firing"))
    looks = [Look(100.0, []), Look(110.0, [pending]), Look(130.0, [firing]), Look(170.0, [firing]), Look(180.0, [])]
    assert stories(looks, 100.0, 160.0) == [AlertStory("RelayRedisAway", "url", 30.0, 20.0)]
    assert stories(looks[:-1], 100.0, 160.0) == [AlertStory("RelayRedisAway", "url", 30.0, None)]
    assert stories(looks[:2], 100.0, 160.0) == []


def test_only_a_heading_that_is_there_is_a_run_book() -> None:
    """On a page of docs/, and under the address that the rules are given."""
    assert opens_a_run_book(f"{DOCS}/operating.md#redis-is-away")
    assert not opens_a_run_book(f"{DOCS}/operating.md#redis-was-away")
    assert not opens_a_run_book(f"{DOCS}/operation.md#redis-is-away")
    assert not opens_a_run_book("https://elsewhere.example/operating.md#redis-is-away")


def test_the_stand_in_lists_what_was_looked_up() -> None:
    """In pages, each payment as the look-up showed it, and none of another time."""
    payments = Payments()
    iamport = ListingIamport(payments)
    head = "GET /payments?" + "&".join(f"imp_uid%5B%5D=imp_{number}" for number in range(5)) + " HTTP/1.1"
    looked_up = _response(iamport.answer(head.encode(), b""))
    paid_at = payments.times[0]

    def page(number: int, since: int) -> object:
        query = f"from={since}&to={payments.times[-1]}&page={number}&limit=3&sorting=updated"
        return _response(iamport.answer(f"GET /payments/status/all?{query} HTTP/1.1".encode(), b""))

    assert page(1, paid_at) == {"total": 5, "previous": 0, "next": 2, "list": looked_up[:3]}
    assert page(2, paid_at) == {"total": 5, "previous": 1, "next": 0, "list": looked_up[3:]}
    assert page(1, payments.times[-1] + 1) == {"total": 0, "previous": 0, "next": 0, "list": []}


def test_the_drawing_has_every_panel() -> None:
    """Its title, its last value in words, and a line that is broken where nothing was measured."""
    stat = Panel("stat", "Redis <1>", 0, 0, 4, 4, {
        "unit": "none", "noValue": "–", "mappings": [{"options": {"1": {"text": "available"}}}],
        "thresholds": {"steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}]},
    })  # fmt: skip
    graph = Panel("timeseries", "Accepted", 4, 0, 8, 8, {"unit": "reqps"})
    points = [(0.0, 90.0), (10.0, 100.0), (60.0, 80.0), (70.0, 90.0)]
    board = Board(0.0, 100.0, [Filled(stat, [("", [(0.0, 1.0)])]), Filled(graph, [("redis", points)])], [])
    root = ET.fromstring(svg(board, "a run"))  # noqa: S314  # it is our own
    words = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Redis <1>", "available", "Accepted", "redis", "100 /s"} <= set(words)
    (path,) = root.iter("{http://www.w3.org/2000/svg}path")
    assert [part[0] for part in re.findall(r"[ML][^ML]+", path.get("d", ""))] == ["M", "L", "M", "L"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.035, "s", "35 ms"), (90, "s", "1.5 min"), (0.103, "percentunit", "10.3 %"), (3 * MIB, "bytes", "3 MiB"),
     (1200, "none", "1,200"), (0, "s", "0"), (99.5, "reqps", "99.5 /s")],
)  # fmt: skip
def test_values_are_short(value: float, unit: str, text: str) -> None:
    """In the unit that reads best."""
    assert shown(value, unit) == text


def test_the_page_has_its_pictures() -> None:
    """Those that it names are there and no others, and its links lead to headings."""
    text = PAGE.read_text()
    named = set(re.findall(r"images/([\w.-]+)", text))
    assert named == {path.name for path in IMAGES.iterdir()}
    headings = anchors((ROOT / "docs" / "operating.md").read_text())
    assert set(re.findall(r"operating\.md#([\w-]+)", text)) <= headings


def _response(answer: bytes) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(answer.partition(b"\r\n\r\n")[2])["response"]
    return found
