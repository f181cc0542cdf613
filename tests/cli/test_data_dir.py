"""`var/`: one user at a time, secrets that last and that only their owner can read."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from cli.client import RelayLocation
from cli.data_dir import DataDir, DataDirInUse
from cli.free_ports import is_free, next_free
from tests.support.processes import ROOT


def test_a_second_run_is_refused_with_one_line(tmp_path: Path) -> None:
    """Two Redis servers on one append-only file would ruin it."""
    first = DataDir(tmp_path)
    with pytest.raises(DataDirInUse, match=rf"process {os.getpid()}\) uses .*--var$"):
        DataDir(tmp_path)
    first.close()
    DataDir(tmp_path).close()


def test_key_and_token_last_and_are_private(tmp_path: Path) -> None:
    """The next run can read what one run has encrypted; other users cannot read the key."""
    first = DataDir(tmp_path)
    key, token = first.encryption_key(), first.api_token()
    first.close()
    second = DataDir(tmp_path)
    assert (second.encryption_key(), second.api_token()) == (key, token)
    second.close()
    Fernet(key)
    assert len(token) >= 32
    for name in ("encryption-key", "api-token"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    for name in ("redis", "spool", "log"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_two_that_start_together_get_different_ports() -> None:
    """Though nobody listens yet; the port of one that has ended is free again."""
    program = "from cli.free_ports import next_free; print(next_free(23000, set()), flush=True); input()"

    with ExitStack() as running:

        def begin() -> tuple[subprocess.Popen[str], int]:
            process = running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            running.callback(process.kill)
            assert process.stdout is not None
            return process, int(process.stdout.readline())

        first, port = begin()
        _, another = begin()
        assert another > port
        first.communicate("\n")
        _, again = begin()
        assert again == port


def test_a_taken_port_gives_the_next_free_one() -> None:
    """Whoever listens already is left alone."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken: int = listener.getsockname()[1]
        assert not is_free(taken)
        assert taken < next_free(taken, set()) <= taken + 200


def test_a_port_is_given_away_once() -> None:
    """Two processes that are about to start do not get the same port."""
    given: set[int] = set()
    first = next_free(20000, given)
    assert next_free(first, given) > first


def test_other_commands_find_the_running_relay(tmp_path: Path) -> None:
    """While `relay up` runs, `relay` in the same directory knows its console and token; afterwards nothing is left."""
    data_dir = DataDir(tmp_path / "var")
    data_dir.announce(console_url="http://127.0.0.1:9001", token="t", sandbox_url="http://127.0.0.1:9002")
    told = tmp_path / "var" / "relay.json"
    place = RelayLocation.find({}, told)
    assert (place.console_url, place.token, place.sandbox_url) == (
        "http://127.0.0.1:9001",
        "t",
        "http://127.0.0.1:9002",
    )
    assert stat.S_IMODE(told.stat().st_mode) == 0o600
    data_dir.close()
    assert not told.exists()
