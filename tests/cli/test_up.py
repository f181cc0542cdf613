"""`relay up`: the whole under one roof, its demo, and an end that leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT, Process, Processes
from tests.support.waiting import until

PORTS = {"receiver": 8000, "console": 8001, "sandbox": 8002, "subscriber": 8003, "redis": 7379}


def relay_up(processes: Processes, var: Path, *options: str, **environ: str) -> Process:
    """Start it on a directory of the test's own."""
    command = [sys.executable, "-m", "cli.main", "up", "--var", str(var), *options]
    return processes.run("relay up", command, **environ)


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


async def gone(members: list[psutil.Process]) -> None:
    """Wait until none of them runs any more."""

    def ended(member: psutil.Process) -> bool:
        try:
            return not member.is_running() or member.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    await until(lambda: all(map(ended, members)), "all processes end")


def test_ctrl_c_before_anything_is_there_is_no_traceback() -> None:
    """Importing takes a second or more on a small machine, and people change their mind."""
    code = """
import sys, cli.start
class Impatient:
    def find_spec(self, name, *_):
        if name == "cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
cli.start.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody listens on this port of loopback."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else does already, which serves as well
            listener.bind(("127.0.0.1", port))
            listener.listen()
        yield


async def test_the_demo_shows_every_step_and_every_callback_arrives(processes: Processes, tmp_path: Path) -> None:
    """Card, virtual account and Paymentwall: from webhook to verified callback, with a retry in between.

    The console has several tokens, and the first of them may not write. A taken port is passed over and said so, a
    second one on the same directory is refused, and Ctrl-C ends all.
    """
    var = tmp_path / "var"
    with taken(PORTS["receiver"]):
        up = relay_up(processes, var, RELAY_API_TOKEN="ro:reader,writer")
        await up.printed("Still up", within=150)
    assert f"port {PORTS['receiver']} is taken: receiver listens on" in up.output
    for shown in (
        "webhook accepted",
        "payment looked up",
        "payment.virtual_account_issued",
        "payment.paid",
        "payment.cancellation_pending",
        "payment.cancelled",
        "signature verified",
        "callback failed",
        "callback delivered",
        "demo done",
        "history has all 3 payments, 6 events, 12 deliveries",
    ):
        assert shown in up.output, up.output

    second = relay_up(processes, var)
    assert await second.ended() == 1
    (line,) = second.lines
    assert line.startswith(f"relay up: another `relay up` (process {up.pid}) uses {var}/")

    assert await nothing_is_left(up, signal.SIGINT) == 0
    assert "all stopped" in up.output
    assert "SIGNATURE WRONG" not in up.output
    for secret in ("api-token", "encryption-key"):
        assert stat.S_IMODE((var / secret).stat().st_mode) == 0o600
        assert (var / secret).read_text().strip() not in up.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left(processes: Processes, tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM, and even a SIGKILL of `relay up` itself, leave no process."""
    up = relay_up(processes, tmp_path / "var", "--no-demo")
    await up.printed("Still up")
    assert await nothing_is_left(up, number) == (0 if number == signal.SIGTERM else -number)


async def nothing_is_left(up: Process, number: signal.Signals) -> int:
    """End it with a signal, and wait until all of it has ended; its exit status."""
    members = family(up.pid)
    assert len(members) >= 7
    os.kill(up.pid, number)
    status = await up.ended()
    await gone(members)
    return status


async def test_a_bad_setting_is_one_line(processes: Processes, tmp_path: Path) -> None:
    """What a process says about its environment is what people see, and all of it stops."""
    up = relay_up(processes, tmp_path / "var", RELAY_RETRY_SCHEDULE="soon")
    assert await up.ended() == 1
    assert "RELAY_RETRY_SCHEDULE=soon is not usable: it takes" in up.lines[-1]
