"""The run book for a ledger that is lost; what a rebuild finds is for tests/end_to_end/test_reconciliation.py."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import httpx
from cryptography.fernet import Fernet

from tests.docs.pages import bash, blocks
from tests.support.processes import ROOT, Processes, clean_environ
from tests.support.redis_process import RedisServer


def test_a_rebuild_is_begun_as_written(
    own_redis: RedisServer, processes: Processes, free_port: Callable[[], int], shell_path: str, tmp_path: Path
) -> None:
    """With an empty Redis and a console, before any worker runs, every merchant's rebuild is taken."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "REDIS_URL": own_redis.url,
        "RELAY_API_TOKEN": "operator-token",
        "RELAY_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "IMP_KEY": "key",
        "IMP_SECRET": "secret",
        "RELAY_CONSOLE_URL": url,
    }
    asyncio.run(processes.python("console", **settings, PORT=str(port)).ready(f"{url}/readyz"))
    (block,) = [block for block in blocks(ROOT / "docs" / "operating.md") if block.info == "sh empty-ledger"]

    environ = {**clean_environ(), **settings, "PATH": shell_path}
    status, output = bash(f"set -euo pipefail\n{block.text}", environ, tmp_path, tmp_path / "output")

    assert status == 0, output
    headers = {"authorization": "Bearer operator-token"}
    ids = dict.fromkeys(re.findall(r"rec_[0-9a-f]+", output))
    begun = [httpx.get(f"{url}/v1/reconciliations/{run}", headers=headers).json() for run in ids]
    assert {(run["merchant"], run["state"], run["deliver"]) for run in begun} == {
        ("default", "running", False),
        ("shop", "running", False),
    }
