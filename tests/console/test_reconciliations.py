"""Reconciliations through the operator API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.jobs import RECONCILE
from tests.console.conftest import Console
from tests.support import machine
from tests.support.reasons import because

WINDOW = {"merchant": "default", "since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"}


async def test_a_reconciliation_is_handed_to_workers(console: Console) -> None:
    """202, then it is listed and shown, and its first step is due."""
    begun = await console.call("POST", "/v1/reconciliations", WINDOW)
    assert begun.status_code == 202
    run = begun.json()
    assert {name: run[name] for name in WINDOW} == WINDOW
    assert (run["state"], run["compared"], run["missing"], run["repaired"]) == ("running", 0, 0, 0)
    assert run["trouble"] is None
    assert (await console.call("GET", begun.headers["location"])).json() == run
    assert (await console.call("GET", "/v1/reconciliations?merchant=default")).json()["data"] == [run]
    assert (await console.call("GET", "/v1/reconciliations?merchant=shop")).json()["data"] == []
    claimed = await console.ledger.jobs.claim(RECONCILE)
    assert [lease.member for lease in claimed.leases] == [run["id"]]
    stored = await console.ledger.reconciliations.get(run["id"])
    assert stored.window is not None
    await console.ledger.reconciliations.save(replace(stored, tries=2, trouble=because("i'mport answered 502")))
    assert (await console.call("GET", begun.headers["location"])).json()["trouble"] == "i'mport answered 502"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"until": WINDOW["since"]}, "until"),
        ({"since": "1969-01-01T00:00:00Z"}, "since"),
        ({"since": "2026-11-01"}, "since"),
        ({"deliver": "yes"}, "deliver"),
        ({"limit": 5}, "limit"),
    ],
)
async def test_a_window_has_to_make_sense(console: Console, change: dict[str, Any], named: str) -> None:
    """The wrong field is named."""
    answer = await console.call("POST", "/v1/reconciliations", {**WINDOW, **change})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, named)


async def test_unknown_ones_are_404(console: Console) -> None:
    """No such merchant, no such reconciliation; the automatic ones are nobody's business."""
    assert (await console.call("POST", "/v1/reconciliations", {**WINDOW, "merchant": "nobody"})).status_code == 404
    for name in ("rec_x", "auto%2Fdefault"):
        assert (await console.call("GET", f"/v1/reconciliations/{name}")).status_code == 404


async def test_only_an_empty_ledger_is_rebuilt(console: Console) -> None:
    """A rebuild where payments are known would give events new places: 409."""
    assert (await console.call("POST", "/v1/reconciliations", {**WINDOW, "rebuild": True})).status_code == 202
    await machine.seen(console.ledger, "imp_1")
    assert (await console.call("POST", "/v1/reconciliations", {**WINDOW, "rebuild": True})).status_code == 409
