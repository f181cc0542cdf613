"""`make release`: on a copy of this checkout."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.release import check_bill
from tests.support.checkout import copied
from tests.support.processes import ROOT

VERSION = "99.1.0"


def git(folder: Path, *arguments: str) -> str:
    """What git says in this folder."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, which holds what this checkout does."""
    folder = copied(tmp_path_factory.mktemp("release"))
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Release")
    git(folder, "config", "user.email", "release@example.com")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all of it")
    return folder


def release(repository: Path, *version: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    command = [sys.executable, "-m", "scripts.release", *version]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True)


@pytest.mark.parametrize("version", [(), ("next",), ("0.0.1",), ("1.0",)])
def test_a_wrong_version_is_one_line(repository: Path, version: tuple[str, ...]) -> None:
    """One is needed, of three numbers, and newer than the last."""
    ran = release(repository, *version)
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1)
    assert git(repository, "status", "--porcelain") == ""


def test_a_dirty_checkout_is_refused(repository: Path) -> None:
    """What is released is what is committed."""
    (repository / "Procfile").write_text("changed")
    ran = release(repository, VERSION)
    git(repository, "checkout", "--quiet", "Procfile")
    assert ran.returncode == 1
    assert "not committed" in ran.stderr
    assert git(repository, "tag") == ""


def test_a_list_of_what_it_consists_of_is_checked() -> None:
    """Against CycloneDX's schema."""
    component = {"type": "library", "name": "redis"}
    good = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [component]}
    check_bill(json.dumps(good))
    del component["name"]
    with pytest.raises(ValueError, match="is not valid"):
        check_bill(json.dumps(good))


def test_version_changelog_tag_and_files(repository: Path, tmp_path: Path) -> None:
    """All say the same version; a second build of the tag gives the same checksums."""
    ran = release(repository, VERSION)
    assert ran.returncode == 0, ran.stderr
    assert git(repository, "tag").split() == [f"v{VERSION}"]
    assert git(repository, "status", "--porcelain") == ""
    assert f'version = "{VERSION}"' in (repository / "pyproject.toml").read_text()
    chart = (repository / "deploy/helm/iamport-relay/Chart.yaml").read_text()
    assert re.findall(r'^(?:appV|v)ersion: "(.+)"$', chart, re.MULTILINE) == [VERSION, VERSION]

    changelog = (repository / "CHANGELOG.md").read_text()
    released = re.search(rf"## \[Unreleased\]\n\n## \[{VERSION}\] - \d{{4}}-\d\d-\d\d\n(.*)", changelog, re.DOTALL)
    assert released is not None
    assert released[1] == (ROOT / "CHANGELOG.md").read_text().partition("## [Unreleased]\n")[2]

    dist = repository / "dist"
    wheel, sdist = f"iamport_relay-{VERSION}-py3-none-any.whl", f"iamport_relay-{VERSION}.tar.gz"
    bill = f"iamport_relay-{VERSION}.cdx.json"
    assert sorted(file.name for file in dist.iterdir()) == ["SHA256SUMS", wheel, bill, sdist]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, check=True, capture_output=True)

    listed = json.loads((dist / bill).read_text())
    pinned = re.findall(r"^(\S+)==(\S+)", (ROOT / "deploy/requirements.lock").read_text(), re.MULTILINE)
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["version"] == VERSION
    assert {(one["name"], one["version"]) for one in listed["components"]} == set(pinned)

    again = tmp_path / "again"
    git(tmp_path, "clone", "--quiet", "--branch", f"v{VERSION}", str(repository), str(again))
    script = f"from pathlib import Path; from scripts.release import build; build(Path.cwd(), '{VERSION}')"
    subprocess.run([sys.executable, "-c", script], cwd=again, check=True)
    assert (again / "dist/SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()

    ran = release(repository, VERSION)
    assert ran.returncode == 1
    assert "has been released" in ran.stderr
    shutil.rmtree(dist)
