"""deploy/redis.conf, as Debian's redis-server runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import redis
from cryptography.fernet import Fernet

from tests.support.processes import ROOT, Processes
from tests.support.redis_process import RedisProcess
from tests.support.waiting import until_now

CONFIGURATION = ROOT / "deploy" / "redis.conf"


async def test_doctor_finds_it_durable(tmp_path: Path, processes: Processes, free_port: Callable[[], int]) -> None:
    """A console on this Redis says that what it acknowledges lasts, and how much it may hold."""
    port, console = free_port(), free_port()
    server = RedisProcess(tmp_path)
    server.configure([f"include {CONFIGURATION}", f"port {port}", f"dir {tmp_path}", "logfile ''"])
    try:
        url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as client:
            until_now(lambda: _answers(client), "it answers")
        environ = {
            "REDIS_URL": url,
            "RELAY_API_TOKEN": "token",
            "RELAY_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "PORT": str(console),
        }
        process = processes.python("console", **environ)
        await process.ready(f"http://127.0.0.1:{console}/livez")
        command = [sys.executable, "-m", "cli.main", "doctor", "--no-test", "--json"]
        location = {"RELAY_CONSOLE_URL": f"http://127.0.0.1:{console}", "RELAY_API_TOKEN": "token"}
        doctor = processes.run("relay doctor", command, **location)
        await doctor.ended()  # with a complaint: no worker runs
        findings = {found["subject"]: found for found in json.loads(doctor.output)["findings"]}
        assert findings["redis"]["text"] == "durable: append-only file, fsync always, no eviction"
        assert findings["memory"]["text"].endswith("of Redis' maxmemory are in use")
        assert {findings[subject]["outcome"] for subject in ("redis", "memory", "ledger", "queue")} == {"ok"}
    finally:
        server.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
