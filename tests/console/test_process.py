"""`python -m console` as a process: what it needs, where it listens, how it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet

from tests.support.clients import http_client
from tests.support.processes import Processes

KEY = Fernet.generate_key().decode()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"RELAY_ENCRYPTION_KEY": KEY}, "RELAY_API_TOKEN"),
        ({"RELAY_API_TOKEN": "t"}, "RELAY_ENCRYPTION_KEY"),
        ({"RELAY_API_TOKEN": "t", "RELAY_ENCRYPTION_KEY": "no-key"}, "RELAY_ENCRYPTION_KEY"),
        ({"RELAY_API_TOKEN": "t", "RELAY_ENCRYPTION_KEY": KEY, "REDIS_URL": "http://x"}, "REDIS_URL"),
        ({"RELAY_API_TOKEN": "t", "RELAY_ENCRYPTION_KEY": KEY, "PORT": "x"}, "PORT"),
    ],
)
async def test_a_setting_that_is_missing_or_wrong_is_one_line(
    processes: Processes, environ: dict[str, str], named: str
) -> None:
    """It does not start, names the variable, and shows no secret."""
    console = processes.python("console", **environ)
    assert await console.ended() == 1
    assert len(console.lines) == 1
    assert named in console.lines[0]
    assert "no-key" not in console.output


async def test_it_serves_until_it_is_told_to_stop(
    processes: Processes, redis_url: str, free_port: Callable[[], int]
) -> None:
    """It listens on loopback, answers, and ends with 0 when asked to; a second one on its port says so in one line."""
    port = free_port()
    environ = {
        "REDIS_URL": redis_url, "PORT": str(port), "RELAY_API_TOKEN": "secret-token", "RELAY_ENCRYPTION_KEY": KEY
    }  # fmt: skip
    console = processes.python("console", **environ)
    await console.ready(f"http://127.0.0.1:{port}/readyz")
    headers = {"authorization": "Bearer secret-token"}
    async with http_client(f"http://127.0.0.1:{port}", headers=headers) as client:
        assert (await client.get("/v1/endpoints")).json() == {"data": [], "next_cursor": None}
    second = processes.python("console", **environ)
    assert await second.ended() == 1
    assert (len(second.lines), str(port) in second.lines[0]) == (1, True)
    assert await console.terminate() == 0
    for secret in ("secret-token", KEY):
        assert secret not in console.output
    assert console.logs("console_stopped")
