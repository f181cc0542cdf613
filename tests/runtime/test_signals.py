"""Signals that ask a process to stop call one function, and only while the block runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from runtime.signals import STOP_SIGNALS, StopRequest, handled, handled_in_loop, ignore
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE, until, until_now


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_a_signal_calls_the_function_in_the_loop(number: signal.Signals) -> None:
    """SIGTERM and SIGINT, each time they come."""
    calls: list[asyncio.AbstractEventLoop] = []
    before = signal.getsignal(number)

    def called(times: int) -> bool:
        return len(calls) >= times

    with handled_in_loop(lambda: calls.append(asyncio.get_running_loop())):
        for count in (1, 2):
            os.kill(os.getpid(), number)
            await until(partial(called, count), "it is called")
    assert calls == [asyncio.get_running_loop()] * 2
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_calls_the_function_without_a_loop(number: signal.Signals) -> None:
    """The handler that was there before is there again afterwards."""
    calls: list[int] = []
    before = signal.getsignal(number)
    with handled(lambda: calls.append(1)):
        os.kill(os.getpid(), number)
        until_now(lambda: calls, "it is called", every=0.001)
    assert calls == [1]
    assert signal.getsignal(number) is before


def test_signals_that_are_ignored_do_nothing() -> None:
    """Neither a handler that was there before nor the default is called."""
    calls: list[int] = []
    with handled(lambda: calls.append(1)):
        ignore()
        for number in STOP_SIGNALS:
            os.kill(os.getpid(), number)
    assert calls == []


_INTERRUPTED = """
import signal, sys
from runtime.signals import StopRequest, handled

def interrupted_at(step):
    left = step
    def trace(frame, event, argument):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGTERM)
        return trace
    stop = StopRequest()
    with handled(stop.make):
        sys.settrace(trace)
        while not stop.wait(0.001) and left > 0:
            pass
        sys.settrace(None)
        return stop.wait(0)

print(all(interrupted_at(step) for step in range(1, 200)))
"""


def test_a_stop_request_may_interrupt_the_wait_for_it() -> None:
    """Wherever in the wait the signal comes: nothing waits for ever, and the request is never lost."""
    finished = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert finished.stdout == "True\n"


def test_a_stop_request_stays() -> None:
    """Whoever waits afterwards has it at once, every time."""
    stop = StopRequest()
    assert not stop.wait(0)
    stop.make()
    stop.make()
    assert [stop.wait(60), stop.wait(60), stop.wait(60)] == [True] * 3
