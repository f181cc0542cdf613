"""A supervisor that listens, as systemd does with `Type=notify`, hears when a process works and when it stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from runtime.service_manager import notify_ready
from tests.support.processes import Processes
from tests.support.waiting import PATIENCE

WORKS = {"receiver": "receiver_started", "console": "console_started", "workers": "worker_ready"}


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a supervisor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE)
        yield listening


@pytest.mark.parametrize(("module", "workers"), [("receiver", 1), ("console", 1), ("workers", 1), ("workers", 2)])
async def test_each_process_says_when_it_works_and_when_it_stops(
    module: str,
    workers: int,
    supervisor: socket.socket,
    processes: Processes,
    redis_url: str,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    """Of several worker processes each says that it works; that all stop is said once."""
    process = processes.python(
        module,
        NOTIFY_SOCKET=str(tmp_path / "notify"),
        REDIS_URL=redis_url,
        RELAY_API_TOKEN="token",
        RELAY_ENCRYPTION_KEY=Fernet.generate_key().decode(),
        RELAY_WORKERS=str(workers),
        HOST="127.0.0.1",
        PORT=str(free_port()),
    )
    await process.logged(WORKS[module])
    assert [supervisor.recv(64) for _ in range(workers)] == [b"READY=1"] * workers
    assert await process.terminate() == 0
    assert supervisor.recv(64) == b"STOPPING=1"
    supervisor.setblocking(False)
    with pytest.raises(BlockingIOError):
        supervisor.recv(64)


def test_a_name_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux' abstract sockets are written with an @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"relay-test-notify-{os.getpid()}"
        listening.bind(f"\0{name}")
        listening.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify_ready()
        assert listening.recv(64) == b"READY=1"


def test_a_supervisor_that_has_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process goes on; the log says so."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify_ready()
