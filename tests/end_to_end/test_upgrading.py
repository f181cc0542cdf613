"""A relay under load is upgraded to a later release, goes back, and is upgraded again.

The later release is this one with what an upgrade may bring: a newer version of the stored shapes, and a migration of
history, both of which this release can live with.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.version import relay_version
from schemas.payments.codec import VERSION
from tests.support.processes import ROOT
from tests.support.relay import Relay
from tests.support.warm_python import serving

PACKAGES = ("schemas", "runtime", "ledger", "history", "iamport", "receiver", "workers", "console", "sandbox", "cli")
LATER = "99.0.0"
_MIGRATION = '''"""Payments may have a note."""
from alembic import op
from sqlalchemy import Column, Text

revision = "0099"
down_revision = "{head}"
readable_from = "{head}"


def upgrade() -> None:
    op.add_column("payment", Column("note", Text, nullable=True))
'''


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The code of the later release."""
    tree = tmp_path / "later"
    for package in PACKAGES:
        # With what Python has compiled of it, but not with what it is about to.
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("*.pyc.*"))
    _replace(tree / "schemas/payments/codec.py", f"VERSION = {VERSION}\n", f"VERSION = {VERSION + 1}\n")
    _replace(tree / "runtime/version.py", 'return version("iamport-relay")', f'return "{LATER}"')
    versions = tree / "history/migrations/versions"
    head = max(file.name[1:5] for file in versions.glob("m*.py"))
    (versions / "m0099_notes.py").write_text(_MIGRATION.format(head=head))
    return tree


@pytest.fixture
def served_later(later: Path) -> Iterator[Path]:
    """The same code, for a test that starts many of its processes."""
    with serving(later):
        yield later


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


class Load:
    """Payments that are paid, one after the other, each with a webhook that i'mport sends until it is acknowledged."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.imp_uids: list[str] = []
        self._ends = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Under load while the block runs; the last payment is paid whole."""
        self._ends = False
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._ends = True
            await task

    async def goes_on(self, count: int = 10) -> None:
        """Wait until so many more were acknowledged."""
        enough = len(self.imp_uids) + count
        await self._relay.until(lambda: len(self.imp_uids) >= enough, f"{count} more webhooks are acknowledged")

    async def _run(self) -> None:
        while not self._ends:
            await self._pay(f"imp_u{len(self.imp_uids)}")
            await asyncio.sleep(0.1)

    async def _pay(self, imp_uid: str) -> None:
        await self._relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1004)
        await self._relay.until(lambda: self._is_acknowledged(imp_uid), f"{imp_uid} is acknowledged")
        self.imp_uids.append(imp_uid)

    async def _is_acknowledged(self, imp_uid: str) -> bool:
        try:
            return (await self._relay.webhook(imp_uid)).status_code == 200
        except httpx.TransportError:
            return False  # the receiver is restarting


async def restart(relay: Relay, code: Path) -> None:
    """Restart each process with this code, one after the other."""
    environ = {"PYTHONPATH": str(code)}
    await relay.console.terminate()
    relay.console = relay.start_console(**environ)
    await relay.console.ready(relay.url("console") + "/readyz")
    await relay.worker.terminate()
    relay.worker = relay.start_worker(**environ)
    await relay.worker.logged("worker_ready")
    await relay.receiver.terminate()
    relay.receiver = relay.start_receiver(**environ)
    await relay.receiver.ready(relay.url("receiver") + "/readyz")


async def planned(relay: Relay, code: Path) -> dict[str, Any]:
    """The plan that `relay migrate` of this code answers."""
    command = relay.start_process("cli.main", "migrate", "--json", "--plan", PYTHONPATH=str(code))
    assert await command.ended() == 0, command.output
    plan: dict[str, Any] = json.loads(command.output)["plan"]
    return plan


async def test_a_relay_under_load_is_upgraded_goes_back_and_is_upgraded_again(relay: Relay, served_later: Path) -> None:
    """Nothing is lost and every payment is one event, whatever release runs; the plan says beforehand what is done."""
    await relay.endpoint()
    load = Load(relay)
    async with load.running():
        await load.goes_on()
        plan = await planned(relay, served_later)
        assert (plan["release"], plan["ledger_version"], plan["ledger_release_version"]) == (
            LATER,
            VERSION,
            VERSION + 1,
        )
        (step,) = plan["history_steps"]
        assert (step["revision"], step["title"]) == ("0099", "Payments may have a note.")
        assert step["readable_from"] < "0099"
        assert list(plan["workers"].values()) == [relay_version()]

        for code in (served_later, ROOT, served_later):
            await restart(relay, code)
            await load.goes_on()
        plan = await planned(relay, served_later)
        assert (plan["ledger_version"], plan["history_steps"]) == (VERSION + 1, [])

    def is_all_received() -> bool:
        assert {event["type"] for event in relay.subscriber.events} == {"payment.paid"}, relay.subscriber.events[-1]
        received = Counter(event["data"]["imp_uid"] for event in relay.subscriber.events)
        return all(received[imp_uid] for imp_uid in load.imp_uids)

    await relay.until(is_all_received, "every payment is received")
    assert len({event["id"] for event in relay.subscriber.events}) == len(load.imp_uids)
    recorded = await relay.list_all("/v1/events", type="payment.paid")
    assert sorted(event["data"]["imp_uid"] for event in recorded) == sorted(load.imp_uids)


async def test_a_release_that_cannot_read_what_is_stored_does_not_start(relay: Relay, later: Path) -> None:
    """It says so in one line, and what to do."""
    _replace(later / "schemas/payments/codec.py", f"READABLE_FROM = {VERSION}\n", f"READABLE_FROM = {VERSION + 1}\n")
    newer = relay.start_worker(PYTHONPATH=str(later))
    await newer.logged("worker_ready")
    old = relay.start_worker()
    assert await old.ended() == 1
    assert f"data format is version {VERSION + 1}" in old.output
    assert "Traceback" not in old.output


@pytest.mark.parametrize("store", ["ledger", "history"])
async def test_a_release_that_others_cannot_live_with_ends_them(relay: Relay, later: Path, store: str) -> None:
    """Workers and consoles that run end as soon as it has begun to store what they cannot read, with the same line."""
    if store == "ledger":
        codec = later / "schemas/payments/codec.py"
        _replace(codec, f"READABLE_FROM = {VERSION}\n", f"READABLE_FROM = {VERSION + 1}\n")
    else:
        migration = later / "history/migrations/versions/m0099_notes.py"
        lines = migration.read_text().splitlines()
        migration.write_text("\n".join('readable_from = "0099"' if "readable_from" in line else line for line in lines))
    newer = relay.start_worker(PYTHONPATH=str(later))
    await newer.logged("worker_ready")
    for process in (relay.worker, relay.console):
        assert await process.ended() == 1
        wrong = f"data format is version {VERSION + 1}" if store == "ledger" else "its tables are of a newer version"
        assert wrong in process.lines[-1]
        assert "Traceback" not in process.output
    assert newer.running
