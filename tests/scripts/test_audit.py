"""`scripts/audit`: known vulnerabilities fail `make lint`, a service that cannot be reached does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT


def audit(folder: Path, said: Any, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run it in an environment whose pip-audit says this."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "python").unlink(missing_ok=True)
    (tools / "python").symlink_to(sys.executable)
    (folder / "said.json").write_text(said if isinstance(said, str) else json.dumps({"dependencies": said}))
    (tools / "pip-audit").write_text(f"#!/bin/sh\ncat {folder}/said.json\nexit {status}\n")
    (tools / "pip-audit").chmod(0o755)
    if not (folder / "some.lock").exists():
        (folder / "some.lock").touch()
    command = [str(tools / "python"), str(ROOT / "scripts" / "audit"), str(folder / "some.lock")]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_known_vulnerability_fails(tmp_path: Path) -> None:
    """It is named with package, version and advisory."""
    ran = audit(tmp_path, [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}], status=1)
    assert (ran.returncode, ran.stdout) == (1, "a 1: PYSEC-1\n")


def test_no_known_vulnerability_is_not_asked_again_today(tmp_path: Path) -> None:
    """What is well says nothing, and the service is left alone until the next day or another lock file."""
    assert audit(tmp_path, [{"name": "a", "version": "1", "vulns": []}]).returncode == 0
    ran = audit(tmp_path, [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}], status=1)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("said", ["", "no JSON", [{"name": "a", "skip_reason": "not found"}], []])
def test_an_unreachable_service_is_one_line(tmp_path: Path, said: Any) -> None:
    """Offline, nothing fails."""
    ran = audit(tmp_path, said, status=1)
    assert ran.returncode == 0
    assert ran.stdout.count("\n") == 1
    assert "cannot be reached" in ran.stdout
