"""Whatever ends a background task ends its process, loudly, so that its supervisor starts another one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

from tests.support.processes import Process, Processes
from tests.support.relay import KEY, TOKEN

_BROKEN = """
import importlib, os, sys
module, place, name = sys.argv[1:]
part = importlib.import_module(place)
listed = part.background

async def broken():
    raise TypeError("a mistake of ours")

def background(*parts, **options):
    tasks = listed(*parts, **options)
    if name == "?":
        print(*(task.name for task in tasks), flush=True)
        os._exit(0)
    return tuple(task._replace(step=broken) if task.name == name else task for task in tasks)

part.background = background
sys.exit(importlib.import_module(f"{module}.__main__").main())
"""
LISTED = {"workers": "workers.app", "receiver": "receiver.server", "console": "console.server"}
"""Where each process lists what it does in the background."""
FEWEST = {"workers": 6, "receiver": 6, "console": 1}


@pytest.mark.parametrize("module", LISTED)
async def test_no_background_task_ends_unnoticed(
    module: str, processes: Processes, redis_url: str, free_port: Callable[[], int]
) -> None:
    """Each of them is broken once, in a process of its own: a critical line with the traceback, and status 1."""

    def started(name: str) -> Process:
        environ = {
            "REDIS_URL": redis_url, "RELAY_API_TOKEN": TOKEN, "RELAY_ENCRYPTION_KEY": KEY, "HOST": "127.0.0.1",
            "PORT": str(free_port()), "RELAY_SPOOL_DIR": f"spool-{name.strip('?')}",
        }  # fmt: skip
        return processes.run(module, [sys.executable, "-c", _BROKEN, module, LISTED[module], name], **environ)

    lister = started("?")
    assert await lister.ended() == 0
    names = lister.output.split()
    assert len(names) >= FEWEST[module]

    broken = {name: started(name) for name in names}
    assert await asyncio.gather(*(one.ended() for one in broken.values())) == [1] * len(names)
    for name, process in broken.items():
        (line,) = process.logs("background_failed")
        assert (line["level"], line["task"]) == ("critical", name)
        assert "a mistake of ours" in line["exception"]
