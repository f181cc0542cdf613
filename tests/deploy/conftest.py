"""What the tests of packages and deployments share: the wheel and the sdist, built once for a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.processes import ROOT

EPOCH = "1700000000"


class Built(NamedTuple):
    """The two files of one build."""

    sdist: Path
    wheel: Path


def build(source: Path, target: Path, epoch: str = EPOCH) -> Built:
    """Build sdist and wheel of a source tree, as `make release` does."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(command, cwd=source, env=environ, check=True, capture_output=True)
    (sdist,), (wheel,) = target.glob("*.tar.gz"), target.glob("*.whl")
    return Built(sdist, wheel)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """This checkout's packages."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The versions of the lock file as constraints, which hashes cannot be part of."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    file = tmp_path_factory.mktemp("pins") / "constraints.txt"
    file.write_text("".join(line.removesuffix(" \\") + "\n" for line in lines if not line.startswith(" ")))
    return file


@pytest.fixture(scope="session")
def install(pins: Path) -> Callable[..., Path]:
    """Installs a package with extras and all that it needs into an empty environment; gives its programs' folder."""

    def into(environment: Path, python: Path, package: str) -> Path:
        subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True)
        pip = [sys.executable, "-m", "pip", "-q", "--python", str(environment / "bin/python")]
        options = ["--only-binary", ":all:", "--no-compile", "-c", str(pins)]
        subprocess.run([*pip, "install", *options, package], check=True, capture_output=True)
        return environment / "bin"

    return into
