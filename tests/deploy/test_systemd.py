"""The units: valid, hardened, and started from an installed wheel with settings that the code knows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.support.processes import ROOT

FILES = ROOT / "deploy" / "systemd"
UNITS = ("iamport-relay-receiver.service", "iamport-relay-console.service", "iamport-relay-worker@1.service")
MODULES = {"receiver": "receiver", "console": "console", "worker@": "workers"}
MOST_EXPOSED = 2.5

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with nothing but systemd's units and ours, and a program at the place of ours."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree("/lib/systemd/system", root / "lib/systemd/system", symlinks=True)
    shutil.copytree(FILES, root / "etc/systemd/system", ignore=shutil.ignore_patterns("env"))
    program = root / "opt/iamport-relay/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    return root


@needs_systemd
def test_systemd_finds_no_fault(root: Path) -> None:
    """Every line is one that it knows."""
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", *UNITS]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@needs_systemd
def test_they_may_do_little(root: Path) -> None:
    """systemd's own estimate of what a process could do to its machine, from 0 to 10."""
    for unit in UNITS:
        ran = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager", unit],
            capture_output=True,
            text=True,
            check=True,
        )
        (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", ran.stdout)
        assert float(exposure) <= MOST_EXPOSED, ran.stdout


def test_each_runs_its_process_from_the_wheel() -> None:
    """Not from a checkout, and not from a folder that the process itself can write to."""
    for name, module in MODULES.items():
        text = (FILES / f"iamport-relay-{name}.service").read_text()
        assert f"ExecStart=/opt/iamport-relay/bin/python -P -m {module}\n" in text
        assert (ROOT / module / "__main__.py").exists()


def test_their_settings_are_settings() -> None:
    """Each file of settings is one that a unit reads, and each line a setting with a value that it takes, or none."""
    units = "".join(file.read_text() for file in FILES.rglob("*") if file.suffix in (".service", ".conf"))
    for file in sorted((FILES / "env").iterdir()):
        assert f"/etc/iamport-relay/{file.name}\n" in units
        lines = [line for line in file.read_text().splitlines() if line and not line.startswith("# ")]
        Settings.load(dict(line.split("=", 1) for line in lines))
    given = re.findall(r"^Environment=(\w+)=(.*)$", units, re.MULTILINE)
    assert {name for name, _ in given} == {"RELAY_SPOOL_DIR", "RELAY_HISTORY_URL"}
    assert Settings.load(dict(given)).history_url.file == Path("/var/lib/iamport-relay/history.db")


def test_the_receiver_has_no_secrets() -> None:
    """The internet talks to it."""
    receiver = (FILES / "iamport-relay-receiver.service").read_text()
    shared = (FILES / "iamport-relay-.service.d/common.conf").read_text()
    assert "secrets.env" not in receiver
    assert "secrets.env" not in "".join(line for line in shared.splitlines() if not line.startswith("#"))
    for name in ("relay", "receiver"):
        assert not re.search(r"^(IMP_|RELAY_ENCRYPTION)", (FILES / f"env/{name}.env").read_text(), re.MULTILINE)
