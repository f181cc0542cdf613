"""How every process begins."""

from __future__ import annotations

import sys

import pytest

from tests.support.processes import Processes

_PROCESS = """
import sys
import structlog
from runtime import process
from runtime.settings import Settings
from schemas.errors import BadSetting

def work(settings: Settings) -> int:
    structlog.get_logger().info("working", port=settings.port)
    if settings.host == "refused":
        raise BadSetting("HOST=refused is not usable")
    return 3

sys.exit(process.run(work, only=sys.argv[1:] or None))
"""


@pytest.mark.parametrize(
    ("environ", "status", "line"),
    [
        ({"PORT": "x"}, 1, "PORT=x is not usable: it takes a port, 1 to 65535"),
        ({"RELAY_LOG_LEVEL": "error", "HOST": "refused"}, 1, "HOST=refused is not usable"),
    ],
)
async def test_a_bad_setting_is_one_line(processes: Processes, environ: dict[str, str], status: int, line: str) -> None:
    """Whether it is found while settings are read or by the work itself."""
    started = processes.run("process", [sys.executable, "-c", _PROCESS], **environ)
    assert await started.ended() == status
    assert started.lines == [line]


async def test_the_work_gets_the_settings_and_a_log(processes: Processes) -> None:
    """Its status is the process's."""
    started = processes.run("process", [sys.executable, "-c", _PROCESS], PORT="8123")
    assert await started.ended() == 3
    assert [line["port"] for line in started.logs("working")] == [8123]


async def test_a_process_can_read_a_few_settings_only(processes: Processes) -> None:
    """What others would refuse does not concern it."""
    command = [sys.executable, "-c", _PROCESS, "PORT", "RELAY_LOG_FORMAT", "RELAY_LOG_LEVEL"]
    started = processes.run("process", command, PORT="8123", REDIS_URL="http://x")
    assert await started.ended() == 3
