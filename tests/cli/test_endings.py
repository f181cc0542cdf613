"""How commands end: a terminal that is closed, a reader that has read enough, a kill that nothing survives."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import socket
import sys
import termios
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cli.listen import _description
from schemas.endpoints.delivery import Delivered
from tests.console.conftest import TOKEN, Console, running
from tests.support import machine
from tests.support.processes import RELAY, ROOT
from tests.support.waiting import PATIENCE

HOOK = "http://127.0.0.1:9/hook"


_started: list[Process] = []


@pytest.fixture
async def console(redis_url: str) -> AsyncIterator[Console]:
    """A console with an empty ledger; commands that still run when a test ends are killed."""
    async with running(redis_url, {"IMP_KEY": "key", "IMP_SECRET": "secret"}) as console:
        yield console
        await end_commands()


async def end_commands() -> None:
    """Kill the commands that have not ended."""
    while _started:
        if (process := _started.pop()).returncode is None:
            process.kill()
            await process.wait()


def heeds_its_terminal() -> None:
    """What a child does to end with its terminal, also where this run was started by `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def ignores_its_terminal() -> None:
    """What `nohup` does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def started(
    console: Console, *words: str, first: Callable[[], None] = heeds_its_terminal, **options: Any
) -> Process:
    """`relay words…` as a process, which does something else first."""
    environ = {**os.environ, "RELAY_CONSOLE_URL": console.url, "RELAY_API_TOKEN": TOKEN}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RELAY, *words, env=environ, cwd=ROOT, preexec_fn=first, **options
    )
    _started.append(process)
    return process


async def endpoints(console: Console) -> list[str]:
    """The ids of all endpoints."""
    return [row["id"] for row in (await console.call("GET", "/v1/endpoints")).json()["data"]]


def taking_the_terminal(number: int) -> Callable[[], None]:
    """Makes this terminal the child's own, so that the kernel signals the child when the terminal is closed."""

    def take() -> None:
        heeds_its_terminal()
        os.setsid()
        fcntl.ioctl(number, termios.TIOCSCTTY, 0)

    return take


async def test_closing_the_terminal_deletes_the_endpoint_of_listen(console: Console) -> None:
    """As if the window were closed: the relay must not go on calling a program that has ended."""
    ours, theirs = pty.openpty()
    listening = await started(
        console, "listen", "--forward-to", HOOK, stdin=theirs, stdout=theirs, stderr=theirs,
        first=taking_the_terminal(theirs),
    )  # fmt: skip
    os.close(theirs)
    said = await asyncio.to_thread(os.read, ours, 200)
    assert b"sending to" in said
    assert len(await endpoints(console)) == 1

    os.close(ours)

    assert await asyncio.wait_for(listening.wait(), PATIENCE) == 0
    assert await endpoints(console) == []


async def test_what_a_killed_listen_left_is_deleted_by_the_next(console: Console) -> None:
    """Nothing of a program survives SIGKILL; other endpoints, and those of runs that go on, stay."""
    other = (await console.endpoint(description="made by relay listen on elsewhere, process 1"))["id"]
    killed = await started(console, "listen", "--forward-to", HOOK, stdout=PIPE)
    assert killed.stdout is not None
    await killed.stdout.readline()
    (left,) = set(await endpoints(console)) - {other}
    killed.kill()
    await killed.wait()

    first = await started(console, "listen", "--forward-to", HOOK, stdout=PIPE, stderr=PIPE)
    assert first.stdout is not None
    await first.stdout.readline()
    second = await started(console, "listen", "--forward-to", HOOK, stdout=PIPE, stderr=PIPE)
    assert second.stdout is not None
    await second.stdout.readline()

    known = await endpoints(console)
    assert (left in known, other in known, len(known)) == (False, True, 3)
    for process in (first, second):
        process.send_signal(signal.SIGTERM)
    _, said = await first.communicate()
    _, nothing = await second.communicate()
    assert f"relay: {left} of a killed run is deleted" in said.decode()
    assert "killed" not in nothing.decode()


async def test_listen_deletes_nothing_of_another_machine_with_its_name(console: Console) -> None:
    """Host names are not unique (`localhost`, an image's name), and a process there cannot be seen from here."""
    host = socket.gethostname()
    descriptions = (
        f"made by relay listen on {host}, process 99999999",
        f"made by relay listen on {host} (0123456789ab), process 99999999",
    )
    theirs = {(await console.endpoint(description=text))["id"] for text in descriptions}
    listening = await started(console, "listen", "--forward-to", HOOK, stdout=PIPE)
    assert listening.stdout is not None
    await listening.stdout.readline()
    assert theirs < set(await endpoints(console))
    listening.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(listening.wait(), PATIENCE) == 0


async def test_what_a_killed_listen_left_is_found_among_many(console: Console) -> None:
    """The list has pages, and what was left need not be on the first."""
    others = 200
    left = [await console.endpoint(description=_description(99999999))]
    for _ in range(others):
        await console.endpoint()
    left.append(await console.endpoint(description=_description(99999999)))
    listening = await started(console, "listen", "--forward-to", HOOK, stdout=PIPE)
    assert listening.stdout is not None
    await listening.stdout.readline()
    for endpoint in left:
        assert (await console.call("GET", f"/v1/endpoints/{endpoint['id']}")).status_code == 404
    assert len((await console.call("GET", "/v1/stats")).json()["endpoints"]) == others + 1
    listening.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(listening.wait(), PATIENCE) == 0


async def test_listen_goes_on_without_its_terminal_under_nohup(console: Console) -> None:
    """`nohup` has SIGHUP ignored, and that is meant."""
    listening = await started(
        console, "listen", "--forward-to", HOOK, stdout=PIPE,
        first=ignores_its_terminal,
    )  # fmt: skip
    assert listening.stdout is not None
    await listening.stdout.readline()
    listening.send_signal(signal.SIGHUP)
    (endpoint,) = await endpoints(console)
    await machine.seen(console.ledger, "imp_1")
    assert await machine.send(console.ledger, endpoint, Delivered(), status_code=200) == 1
    assert b"payment.paid" in await asyncio.wait_for(listening.stdout.readline(), PATIENCE)
    listening.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(listening.wait(), PATIENCE) == 0
    assert await endpoints(console) == []


@pytest.mark.parametrize("words", [("tail", "--last", "200"), ("tail", "--last", "200", "--json"), ("events", "list")])
async def test_a_reader_that_has_read_enough_meets_no_traceback(console: Console, words: tuple[str, ...]) -> None:
    """As in `relay tail | head -1`."""
    await machine.seen(console.ledger, *(f"imp_{number}" for number in range(50)))
    reading, writing = os.pipe()
    process = await started(console, *words, stdout=writing, stderr=PIPE)
    os.close(writing)
    if words[0] == "tail":
        assert await asyncio.to_thread(os.read, reading, 10)
    os.close(reading)
    await machine.seen(console.ledger, "imp_more")

    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)

    assert b"Traceback" not in errors
    assert b"Exception" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_tail_ends_without_a_word(console: Console, number: signal.Signals) -> None:
    """However it is asked to end."""
    await machine.seen(console.ledger, "imp_1")
    tail = await started(console, "tail", stdout=PIPE, stderr=PIPE)
    assert tail.stdout is not None
    await tail.stdout.readline()
    tail.send_signal(number)
    _, errors = await asyncio.wait_for(tail.communicate(), PATIENCE)
    assert errors == b""
