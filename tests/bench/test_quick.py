"""`make bench` runs: what it starts works together, and a peer that is missing is left out."""

from __future__ import annotations

import json
import sys

import pytest

from bench.__main__ import main
from bench.full_histories import sqlite_of
from bench.machine import Machine
from bench.peer_systems import FastifyBullmq, PlainDramatiq, installed
from bench.systems import RelaySystem
from tests.support.processes import run_to_its_end

PATIENCE = 240.0
"""Seconds after which it hangs; a generous wait, never a measurement. pytest's own limit is longer."""


def test_a_part_runs_and_gives_its_figures() -> None:
    """From webhook to history with real processes: time and commands are above nothing. The memory of so few payments
    may be less than what Redis frees meanwhile."""
    command = [sys.executable, "-m", "bench", "--quick", "--only", "redis", "--json"]
    done = run_to_its_end(command, PATIENCE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["Python"] == sys.version.split()[0]
    (report,) = found["reports"]
    assert [figure["unit"] for figure in report["figures"]] == ["ms", "", "KiB", "KiB"]
    time, commands, memory, log = (figure["relay"] for figure in report["figures"])
    assert min(time) > 0
    assert min(commands) > 0
    assert min(log) > 0
    assert len(memory) == len(time)


async def test_a_relay_works_beside_a_full_history() -> None:
    """As the benchmarks need it that fill a history first: its empty ledger begins anew."""
    with Machine() as machine:
        system = RelaySystem(machine, {"RELAY_HISTORY_URL": await sqlite_of(machine, payments=20)})
        await system.start_receiver()
        sent = await system.traffic().on_time(["imp_1"], [0.0])
        assert (len(sent.waits), sent.refused) == (1, 0)
        machine.stop()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--quick", "--write"], "figures of --quick mean nothing: they are not written"),
        (["--only", "speed"], "invalid choice: 'speed'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, before anything starts."""
    monkeypatch.setattr("sys.argv", ["bench", *words])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert why in capsys.readouterr().err


def test_a_peer_that_cannot_be_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line that says why; the others are measured."""
    monkeypatch.setenv("PATH", "")
    assert installed((PlainDramatiq, FastifyBullmq)) == (
        [PlainDramatiq],
        ("Fastify + BullMQ is left out: Node and npm are not on PATH",),
    )
