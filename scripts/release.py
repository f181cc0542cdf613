"""python -m scripts.release VERSION: make a release of a clean checkout.

The version goes into pyproject.toml and the Helm chart, and what is unreleased in CHANGELOG.md under a heading of its
own; that is committed and tagged. dist/ then has wheel, sdist, a list of what runs with them (CycloneDX) and checksums.
Nothing leaves this machine. Whoever checks the tag out and builds again gets the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

VERSION = re.compile(r"\d+\.\d+\.\d+")
CHART = Path("deploy/helm/iamport-relay/Chart.yaml")
LOCK = "deploy/requirements.lock"
"""What is installed beside the relay where it is in service."""


class NotReleased(Exception):
    """Nothing was changed; the text says why in one line."""


def main(arguments: list[str]) -> int:
    """The exit status: 1 where nothing was released."""
    try:
        release(Path.cwd(), arguments)
    except NotReleased as error:
        sys.stderr.write(f"make release: {error}\n")
        return 1
    return 0


def release(root: Path, arguments: list[str]) -> None:
    """Release this checkout. Raises `NotReleased`."""
    version = arguments[0] if arguments else ""
    current = re.findall(r'^version = "(.+)"$', (root / "pyproject.toml").read_text(), re.MULTILINE)[0]
    if not VERSION.fullmatch(version):
        raise NotReleased(f"name the new version: make release VERSION=1.2.3 (it is {current} now)")
    if _parts(version) < _parts(current) or _git(root, "tag", "--list", f"v{version}"):
        raise NotReleased(f"{version} is not newer than {current}, or it has been released")
    if _git(root, "status", "--porcelain"):
        raise NotReleased("there are changes that are not committed: commit or remove them first")
    today = datetime.now(UTC).date().isoformat()
    _rewrite(root / "CHANGELOG.md", lambda text: dated(text, version, today))
    _rewrite(root / "pyproject.toml", lambda text: text.replace(f'version = "{current}"', f'version = "{version}"', 1))
    _rewrite(root / CHART, lambda text: re.sub(r"(?m)^(version|appVersion): .*$", rf'\1: "{version}"', text))
    _git(root, "commit", "--all", "--quiet", "--message", f"Release {version}")
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"iamport-relay {version}")
    for file in build(root, version):
        if file.name == _bill(version):
            check_bill(file.read_text())
        sys.stdout.write(f"{file.relative_to(root)}\n")


def dated(changelog: str, version: str, day: str) -> str:
    """The changelog with what is unreleased under this version. Raises `NotReleased` where that is nothing."""
    before, heading, after = changelog.partition("## [Unreleased]\n")
    if not heading or not re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0].strip():
        raise NotReleased("CHANGELOG.md has nothing under [Unreleased]")
    return f"{before}{heading}\n## [{version}] - {day}\n{after}"


def build(root: Path, version: str) -> list[Path]:
    """Make the files of dist/ from the last commit, whose time is theirs."""
    dist = root / "dist"
    dist.mkdir(exist_ok=True)
    for old in dist.iterdir():
        old.unlink()
    environ = {**os.environ, "SOURCE_DATE_EPOCH": _git(root, "log", "-1", "--format=%ct")}
    python = [sys.executable, "-m"]
    bill = ["--pyproject", "pyproject.toml", "--output-reproducible", "--no-validate", "-o", f"dist/{_bill(version)}"]
    for command in (["hatchling", "build", "-d", "dist"], ["cyclonedx_py", "requirements", LOCK, *bill]):
        subprocess.run([*python, *command], cwd=root, env=environ, check=True, capture_output=True)
    files = sorted(dist.iterdir())
    sums = dist / "SHA256SUMS"
    sums.write_text("".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files))
    return [*files, sums]


def check_bill(text: str) -> None:
    """Check a list of what a release consists of against CycloneDX's schema: for seconds, so a second build leaves that
    out, whose bytes are the same. Raises `ValueError`."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    if error := JsonStrictValidator(version).validate_str(text):
        raise ValueError(f"the list of what it consists of is not valid: {error}")


def _bill(version: str) -> str:
    return f"iamport_relay-{version}.cdx.json"


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _rewrite(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text()))


def _git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
