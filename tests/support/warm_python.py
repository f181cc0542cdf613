"""Python processes without most of their start-up: imports would be half of the CPU that this suite takes.

`warm_python.py SOCKET serve` imports the project's programs and reads the authorities of certificates once, and forks
for each call.
`warm_python.py SOCKET -m MODULE …` hands its arguments, environment, directory and standard files over, and ends with
the status that comes back; `WarmProcess` does the same for `Process`. What runs ends with whoever called it. It is a
process of its own in every other way, with its own session, signals and environment, until it has ended by itself: then
Python's own end, which takes its modules apart, is left out. The project's modules read none of
these, no clock and no random number when they are imported. The processes of `relay up` start cold.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from typing import IO

_SHARED = "WARM_PYTHON"
"""The variable that has the socket of a shared server."""
PROGRAMS = (
    "cli.commands", "cli.up", "console.server", "receiver.server", "sandbox.serve", "workers.app", "runtime.children",
    "runtime.process", "history.alembic_scripts", "history.postgresql",
)  # fmt: skip
"""All but the modules that are run themselves: Python warns of one that it has imported before. The last two are
imported only by processes that need them."""

_status: list[int] = []
"""The exit status of the program of this process, once it is known."""


def serve(path: str) -> None:
    """Carry out calls until the other end of standard input is closed."""
    from importlib import import_module

    atexit.register(_leave)  # before what is imported registers anything, so that it runs last
    gc.disable()  # as `runtime.garbage.importing` says
    for module in PROGRAMS:
        import_module(module)
    import_module("runtime.authorities").read_authorities()
    gc.freeze()  # so that no fork's collector touches, and thereby copies, what all share
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    Path(f"{path}.new").rename(path)  # whoever sees it can connect
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _carry_out(connection)
        connection.close()
    return None


def _carry_out(connection: socket.socket) -> None:
    """Fork once more, say which process that is, and how it ended; the fork returns when its program does."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as request:
        arguments, environ, directory = json.load(request)
    if (pid := os.fork()) == 0:
        os.setsid()
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return _run(arguments, environ, directory)
    for file in files:
        os.close(file)
    with suppress(BrokenPipeError):  # nobody waits for it any more
        connection.sendall(f"{pid}\n".encode())
        _end_with_caller(pid, connection)
        connection.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())
    os._exit(0)


def _end_with_caller(pid: int, connection: socket.socket) -> None:
    """Return when this process, the first of its session, has ended. If whoever called it is gone before, as a test run
    is that was killed, it is killed with the children that it has in its process group."""
    process = os.pidfd_open(pid)
    both = select.poll()
    both.register(process, select.POLLIN)
    both.register(connection, 0)  # the other end is closed altogether
    if process not in dict(both.poll()):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    os.close(process)


def _run(arguments: list[str], environ: dict[str, str], directory: str) -> None:
    """`python ARGUMENTS` in this process."""
    from runpy import run_module

    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    kind, program, *others = arguments
    sys.argv = [kind, *others]
    sys.path[0] = directory
    try:
        if kind == "-m":
            run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  # what `python -c` does
    except SystemExit as end:
        if isinstance(end.code, int | None):
            _status.append(end.code or 0)
        raise
    _status.append(0)


def _leave() -> None:
    """End a program that has ended by itself, once its threads and all else that it wants to see ended are. Python
    would take every module apart, and so copy nearly all that it shares with the server, which costs 60 ms of CPU."""
    if _status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])


def _ask(
    path: str, arguments: Sequence[str], environ: Mapping[str, str], directory: str, files: list[int]
) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [b"f"], files)
    connection.sendall(json.dumps([list(arguments), dict(environ), directory]).encode())
    connection.shutdown(socket.SHUT_WR)
    return connection


def call(path: str, arguments: list[str]) -> NoReturn:
    """Have the server carry out one call; ends this process with its status, or 1 where it broke."""
    with _ask(path, arguments, os.environ, str(Path.cwd()), [0, 1, 2]) as connection, connection.makefile() as answers:
        status = [line.strip() for line in answers][1:]
    sys.exit(int(status[0]) if status else 1)


class WarmProcess:
    """A process of the server's, with what `Process` needs of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        reader, writer = os.pipe()
        with open(os.devnull) as nothing:  # noqa: PTH123  # its number is wanted
            self._connection = _ask(
                server_of(environ), arguments, environ, str(directory), [nothing.fileno(), writer, writer]
            )
        os.close(writer)
        self.stdout: IO[str] = os.fdopen(reader, encoding="utf-8", errors="replace")
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        if self._status is None and select.select([self._connection], [], [], 0)[0]:
            self.wait()
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. Raises `subprocess.TimeoutExpired`."""
        if self._status is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self._status = int(self._answers.readline())
            self._connection.close()
        return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


_others: dict[str, str] = {}
"""The sockets of the servers of other code, by its PYTHONPATH."""


def server_of(environ: Mapping[str, str]) -> str:
    """The socket of the server of the code that this environment imports."""
    return _others.get(environ["PYTHONPATH"]) or server()


def is_served(environ: Mapping[str, str]) -> bool:
    """Whether there is a server of the code that this environment imports."""
    code = environ.get("PYTHONPATH")
    return code in _others or code == _own_environ()["PYTHONPATH"]


def share_server() -> None:
    """Start a server for this process and for all processes that it starts from now on."""
    os.environ[_SHARED] = server()


@cache
def server() -> str:
    """The socket of this test run's server. Unless one is shared, the first call starts it; it ends with the run."""
    if _SHARED in os.environ:
        return os.environ[_SHARED]
    until_the_end = ExitStack()
    atexit.register(until_the_end.close)
    return until_the_end.enter_context(_serving(_own_environ()))


@contextmanager
def serving(code: Path) -> Iterator[None]:
    """A server of other code as well, for as long as this lasts."""
    with _serving({**_own_environ(), "PYTHONPATH": str(code)}) as _others[str(code)]:
        try:
            yield
        finally:
            del _others[str(code)]


@contextmanager
def _serving(environ: Mapping[str, str]) -> Iterator[str]:
    import tempfile

    from tests.support.waiting import until_now

    with tempfile.TemporaryDirectory(prefix="warm") as folder:
        path = Path(folder) / "s"
        command = [sys.executable, __file__, str(path), "serve"]
        process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, start_new_session=True)
        try:
            until_now(lambda: path.exists() or process.poll() is not None, "the programs are imported")
            assert process.poll() is None
            yield str(path)
        finally:
            process.kill()
            process.wait()


def _own_environ() -> dict[str, str]:
    from tests.support.processes import clean_environ

    return clean_environ()


if __name__ == "__main__":
    if sys.argv[2] == "serve":
        serve(sys.argv[1])
    else:
        call(sys.argv[1], sys.argv[2:])
