"""Wheel and sdist: the same bytes each time, with all that is needed, on every Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.deploy.conftest import Built, build
from tests.support import pythons
from tests.support.checkout import copied, tracked
from tests.support.processes import ROOT, Processes, clean_environ

PACKAGES = ("schemas", "runtime", "ledger", "history", "iamport", "receiver", "workers", "console", "sandbox", "cli")
Install = Callable[[Path, Path, str], Path]


def test_a_second_build_elsewhere_is_the_same(built: Built, tmp_path: Path) -> None:
    """Whoever builds a release again gets its bytes."""
    again = build(copied(tmp_path / "copy"), tmp_path / "dist")
    assert again.wheel.name == built.wheel.name
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_wheel_has_every_file_of_every_package(built: Built) -> None:
    """Scripts, templates, migrations, tables of words, static files and `py.typed` as well; and nothing else."""
    names = {name for name in zipfile.ZipFile(built.wheel).namelist() if ".dist-info/" not in name}
    assert names == {name for name in tracked() if name.split("/")[0] in PACKAGES}
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_sdist_has_what_git_has_and_makes_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """So it can be tested as well as installed."""
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert names - tracked() == {"PKG-INFO"}
    assert tracked() - names == set()
    assert build(folder, tmp_path / "dist").wheel.read_bytes() == built.wheel.read_bytes()


@dataclass(frozen=True)
class Bare:
    """An environment of the Python that runs the tests, and what its programs said while it had no extra: the exit
    status and the last line of each command."""

    programs: Path
    said: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def bare(built: Built, install: Install, tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """The wheel without extras. Who wants them puts them into the same environment: that is half an installation."""
    folder = tmp_path_factory.mktemp("bare")
    programs = install(folder / "venv", Path(sys.executable), str(built.wheel))
    (folder / "empty").mkdir()

    def said(*command: str, **environ: str) -> tuple[int, str]:
        environ = {**clean_environ(), "PATH": str(folder / "empty"), **environ}
        ran = subprocess.run(
            [programs / command[0], *command[1:]], cwd=folder / "empty", env=environ, capture_output=True, text=True
        )
        return ran.returncode, (ran.stdout + ran.stderr).strip().splitlines()[-1]

    key = Fernet.generate_key().decode()
    history = {"RELAY_HISTORY_URL": "postgresql://127.0.0.1/relay", "RELAY_ENCRYPTION_KEY": key}
    environ = {**history, "RELAY_API_TOKEN": "token", "RELAY_WORKERS": "1"}
    return Bare(programs, {
        "version": said("relay", "--version"),
        "up": said("relay", "up"),
        **{process: said("python", "-m", process, **environ) for process in ("workers", "console")},
    })  # fmt: skip


def test_what_an_extra_has_is_named_where_it_is_missing(bare: Bare) -> None:
    """Without extras: `relay up` without a Redis, and a history in PostgreSQL, are one line that says what to install.

    It is the wheel that is run: its version is the distribution's.
    """
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert bare.said["version"] == (0, f"iamport-relay {version}")

    status, line = bare.said["up"]
    assert status == 1
    assert line.startswith("relay up: redis-server 6.2 or newer is needed, there is none on PATH: install it")
    in_extra = sys.platform == "linux" and os.uname().machine == "x86_64" and sys.version_info < (3, 13)
    assert ("pip install 'iamport-relay[up]'" in line) == in_extra

    needed = "RELAY_HISTORY_URL names a PostgreSQL, whose driver is not installed: pip install"
    for process in ("workers", "console"):
        assert bare.said[process] == (1, f"{needed} 'iamport-relay[postgres]'")


@pytest.mark.parametrize("version", pythons.installed())
async def test_nothing_but_the_wheel_is_needed(
    version: str, built: Built, install: Install, bare: Bare, tmp_path: Path, processes: Processes
) -> None:
    """`pip install iamport-relay[up]` and `relay up --once` on each Python, in a folder that holds nothing else."""
    is_mine = version == "{}.{}".format(*sys.version_info)
    environment = bare.programs.parent if is_mine else tmp_path / "venv"
    programs = install(environment, pythons.installed()[version], f"{built.wheel}[up]")
    command = [str(programs / "relay"), "up", "--once"]
    # Six processes start: the first compiles for all, as on everybody's machine.
    up = processes.run(f"relay up {version}", command, PYTHONDONTWRITEBYTECODE="", RELAY_RETRY_SCHEDULE="100ms")
    assert await up.ended(within=150) == 0, up.output
    assert "history has all 3 payments, 6 events, 12 deliveries" in up.output
    shutil.rmtree(environment)  # a quarter of a gigabyte
