"""A PostgreSQL of the tests' own: started, stopped and killed; Debian's, of whichever version is installed."""

from __future__ import annotations

import atexit
import fcntl
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psycopg
import pytest

from tests.support.waiting import until_now

PATIENCE = 60.0
"""Seconds after which a server that does not come up is an error; a generous wait, never a measurement."""

_SHARED = "EMPTY_CLUSTER"
"""The variable that has the folder in which all processes of a run find the data of a new server."""
_DEBIAN = Path("/usr/lib/postgresql")


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, None where PostgreSQL is not installed."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name), reverse=True)
    if versions:
        return versions[0].parent
    found = shutil.which("initdb")
    return Path(found).parent if found and shutil.which("postgres") else None


class Postgres:
    """A server on a port of loopback; data in `directory` survive a restart. Its superuser is `relay`. Without `fsync`
    it is quicker, and a crash of the machine would cost its data."""

    def __init__(self, programs: Path, port: int, directory: Path, *, fsync: bool = False) -> None:
        self.port = port
        self.directory = directory
        self._fsync = "on" if fsync else "off"
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count()

    def url(self, database: str, user: str = "relay", password: str = "") -> str:
        """How history is told of a database."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The process of which all others are children."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start it, with a new cluster the first time, and wait until it answers."""
        data = self.directory / "data"
        if not data.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            _give_to_owner(self.directory)
            subprocess.run(["cp", "-a", str(_empty_cluster(self._programs)), str(data)], check=True, **_as_owner())
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": ""}
        options |= {"fsync": self._fsync}
        command = [str(self._programs / "postgres"), "-D", str(data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_as_owner())
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                log_text = (self.directory / "postgres.log").read_text()[-2000:]
                raise RuntimeError(f"no PostgreSQL on port {self.port}: {log_text}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, as an operator would who does not wait for clients."""
        self._end(signal.SIGINT)

    def stop_when_idle(self) -> None:
        """Have it stop once nobody is connected any more; until then it turns others away."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of it, in the middle of whatever it does; what comes up again recovers from its log."""
        if self._process is None:
            return
        if self._process.poll() is None:
            pids = {*self._signal_all(signal.SIGSTOP), *self._pids()}  # stopped, none of them starts another
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            until_now(lambda: not any(map(_lives, pids)), "no process of it is left")
        self._process = None

    def pause(self) -> None:
        """Let all of it hang: connections stay open and nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal_all(signal.SIGCONT)

    def copy(self, folder: str, to: str) -> None:
        """Copy a folder in `directory`, e.g. `data`, while it is stopped; what was there is gone."""
        shutil.rmtree(self.directory / to, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.directory / folder), str(self.directory / to)], check=True)

    def create(self, database: str = "") -> str:
        """A new, empty database, with a name of its own unless one is given; its URL."""
        database = database or f"history_{next(self._names)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            create_database(connection, database)
        return self.url(database)

    def execute(self, statement: str, database: str) -> None:
        """Run a statement as the superuser, outside of a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _pids(self) -> list[int]:
        """Its processes, the first one first."""
        assert self._process is not None, "not started"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]

    def _signal_all(self, number: signal.Signals) -> list[int]:
        pids = self._pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._signal_all(signal.SIGCONT)
            self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def create_database(connection: psycopg.Connection, name: str, template: str = "template1") -> None:
    """A new database, as the template is, of the server of this connection. Its files are copied, as all versions did
    before 15: to log every page takes twice as long."""
    strategy = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}'.encode())


def share_empty_cluster() -> None:
    """Let this process and all that it starts from now on make the data of a new server once, whoever comes first."""
    if _SHARED not in os.environ:
        directory = mkdtemp(prefix="relay-postgres-")
        atexit.register(shutil.rmtree, directory)
        os.environ[_SHARED] = directory


@cache
def _empty_cluster(programs: Path) -> Path:
    """The data of a new server, made once for a run: copying them is a tenth of initdb's work."""
    share_empty_cluster()
    directory = Path(os.environ[_SHARED])
    with (directory / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "data").exists():
            _give_to_owner(directory)
            _initialize(programs, directory)
    return directory / "data"


def _initialize(programs: Path, directory: Path) -> None:
    data = directory / "new"
    command = [str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "relay", "-E", "UTF8"]
    command += ["--locale=C.UTF-8", "-N"]
    shutil.rmtree(data, ignore_errors=True)  # of a process that was killed meanwhile
    subprocess.run(command, check=True, capture_output=True, cwd=directory, **_as_owner())
    data.rename(directory / "data")


def _as_owner() -> dict[str, Any]:
    """PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid}


def _give_to_owner(directory: Path) -> None:
    if user := _as_owner():
        os.chown(directory, user["user"], user["group"])


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def installed(free_port: Callable[[], int]) -> Iterator[Postgres]:
    """A started server; where PostgreSQL is not installed the test is skipped. It does not run as root and may not look
    into root's folders: so its data are in a folder of its own."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql runs these tests, too")
    with TemporaryDirectory(prefix="relay-postgres-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        server = Postgres(programs, free_port(), Path(directory) / "server")
        server.start()
        try:
            yield server
        finally:
            server.stop()
