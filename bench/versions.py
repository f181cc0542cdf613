"""On what was measured: machine and versions."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.machine import ROOT, Machine
from bench.peers.install import HERE
from tests.support.postgres import find_programs


def versions(machine: Machine) -> dict[str, str]:
    """Machine, versions and commit, those of the peers included, in the order in which they are shown."""
    found = ours(machine)
    if shutil.which("node"):
        found["Node"] = _first_line("node", "--version").removeprefix("v")
    return found | _of_peers()


def ours(machine: Machine) -> dict[str, str]:
    """The same without what only peers need."""
    found = {
        "commit": _first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cores": f"{os.cpu_count()} ({_processor()})",
        "Linux": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "Redis": f"{machine.redis_version()}, appendfsync always",
    }
    programs = find_programs()
    if programs is not None:
        found["PostgreSQL"] = _first_line(str(programs / "postgres"), "--version").split()[2]
    return found


def of_prometheus() -> dict[str, str]:
    """The version of the Prometheus on PATH."""
    return {"Prometheus": _first_line("prometheus", "--version").split()[2]}


def _of_peers() -> dict[str, str]:
    """What their lock files pin, by the names that readers know."""
    packages = json.loads((HERE / "fastify_bullmq" / "package-lock.json").read_text())["packages"]
    node = {name: packages[f"node_modules/{name.lower()}"]["version"] for name in ("Fastify", "BullMQ", "undici")}
    lock = (HERE / "fastapi_celery" / "requirements.lock").read_text()
    python = {name: re.findall(rf"^{name.lower()}==(\S+)", lock, re.MULTILINE)[0] for name in ("FastAPI", "Celery")}
    return {"Dramatiq": version("dramatiq"), **python, **node}


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return platform.machine()
    return found[1] if found else platform.machine()


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].strip() or "unknown"
