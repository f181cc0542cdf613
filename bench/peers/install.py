"""Installs what a peer needs into a folder of its own below var/, as its lock file pins it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
INTO = HERE.parent.parent / "var" / "peers"
PATIENCE = 600.0
"""Seconds that an installation may take."""


class NotInstalled(Exception):
    """A peer cannot be installed here; the text says why in one line."""


def celery() -> Path:
    """The Python that has what `bench.peers.fastapi_celery` imports. Raises `NotInstalled`."""
    source, folder = HERE / "fastapi_celery", INTO / "fastapi_celery"
    python = folder / "bin" / "python"
    lock = source / "requirements.lock"
    if _is_new(folder, f"{sys.version} {folder}", lock):
        _run(sys.executable, "-m", "venv", str(folder))
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        _run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
        _installed(folder, f"{sys.version} {folder}", lock)
    return python


def fastify() -> tuple[Path, Path]:
    """Node, and the folder with the programs of `bench/peers/fastify_bullmq` and what they import. Raises
    `NotInstalled`."""
    source, folder = HERE / "fastify_bullmq", INTO / "fastify_bullmq"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalled("Node and npm are not on PATH")
    version = _run(node, "--version")
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        raise NotInstalled(f"Node 20 is needed, this is {version}")
    lock = source / "package-lock.json"
    if _is_new(folder, version, lock):
        shutil.copytree(source, folder)
        _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder)
        _installed(folder, version, lock)
    for program in source.glob("*.mjs"):
        shutil.copy(program, folder)
    return Path(node), folder


def _is_new(folder: Path, by: str, lock: Path) -> bool:
    """Whether it has to be installed; what an earlier try has left is removed."""
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == _stamp(by, lock):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return True


def _installed(folder: Path, by: str, lock: Path) -> None:
    (folder / ".installed").write_text(_stamp(by, lock))


def _stamp(by: str, lock: Path) -> str:
    return f"{by} {hashlib.sha256(lock.read_bytes()).hexdigest()}"


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or [str(error)]
        # The line ends up on a page, whose readers need no address.
        raise NotInstalled(re.sub(r"https?://\S+", "the registry", lines[-1])) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
    return done.stdout.strip()
