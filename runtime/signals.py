"""Handle, block or ignore the signals that ask a process to stop. After a block of code, the earlier handlers and masks
are restored."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
TERMINAL_SIGNALS = (*STOP_SIGNALS, signal.SIGHUP)
"""The same for a program in a terminal: closing the terminal sends SIGHUP."""


@contextmanager
def handled_in_loop(handle: Callable[[], object], numbers: Sequence[int] = STOP_SIGNALS) -> Iterator[None]:
    """While the block runs, each of these signals calls `handle` in the running event loop of the main thread."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def handled(handle: Callable[[], object], numbers: Sequence[int] = STOP_SIGNALS) -> Iterator[None]:
    """The same for a main thread without an event loop: `handle` interrupts what that thread is doing."""
    before = [(number, signal.signal(number, lambda *_: handle())) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


class StopRequest:
    """A request to stop that a signal handler may make while the main thread waits for it. A `threading.Event` will not
    do: if `set` interrupts `wait` at the wrong moment, it waits for ever."""

    def __init__(self) -> None:
        self._made: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt anything

    def make(self) -> None:
        """Make the request."""
        self._made.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the request; whether it was made."""
        try:
            self._made.get(timeout=seconds)
        except Empty:
            return False
        self._made.put(None)
        return True


def ignore(numbers: Sequence[int] = STOP_SIGNALS) -> None:
    """From now on these signals do nothing, neither here nor in programs that this process starts."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def blocked(numbers: Sequence[int] = STOP_SIGNALS) -> Iterator[None]:
    """While the block runs, these signals wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
