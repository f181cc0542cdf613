"""A bare Debian in a folder, and commands in it: for what has to be tried as root on a machine of its own.

Needs root, and Debian's debootstrap and systemd-container.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

RELEASE = "bookworm"
PROGRAMS = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container"}
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")


class CannotTry(Exception):
    """This machine lacks something; the text says in one line what to do."""


class Failed(Exception):
    """A command in the root failed; the text is its end."""


def require() -> None:
    """Raise `CannotTry` unless a root can be made here."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        raise CannotTry(f"apt install {' '.join(missing)}, and try again")
    if os.geteuid() != 0:
        raise CannotTry("only root can make a root of its own: try again as root")


def make(folder: Path, packages: Sequence[str]) -> Path:
    """A Debian with little more than these packages in this folder, made anew unless it is there already."""
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", RELEASE, str(folder)]
        _run(command)
        (folder / "made").touch()
    return folder


def copy(root: Path, target: Path) -> Path:
    """A copy to change."""
    shutil.rmtree(target, ignore_errors=True)
    _run(["cp", "--archive", "--reflink=auto", str(root), str(target)])
    return target


def enter(root: Path, *options: str) -> list[str]:
    """The beginning of a command that runs in this root, in namespaces of its own, with this machine's network unless
    the options say otherwise."""
    return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", str(root), *options]


def run(root: Path, script: str, environ: Mapping[str, str], *options: str) -> str:
    """Run a shell script in this root; what it printed. Raises `Failed`.

    pip is set up there as it is here, and trusts the same certificates.
    """
    given = {name: value for name, value in os.environ.items() if name in _PIP} | dict(environ)
    if _CERTIFICATES.exists():
        options = (*options, f"--bind-ro={_CERTIFICATES}:/mnt/certificates")
        given["PIP_CERT"] = "/mnt/certificates"
    setenv = [f"--setenv={name}={value}" for name, value in given.items()]
    return _run([*enter(root, "--pipe", *setenv, *options), "sh", "-euc", script])


def _run(command: Sequence[str]) -> str:
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ran.returncode != 0:
        raise Failed(f"{' '.join(command)}\n{ran.stdout[-4000:]}\nstatus {ran.returncode}")
    return ran.stdout
