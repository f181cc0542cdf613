"""python -m scripts.check_install: follow "Installing on Debian" of docs/operating.md word for word.

A bare Debian gets what this checkout would release, and runs the blocks marked `debian`, which need the network. Then
it is booted, with systemd and without any network but its own, and one shell runs the blocks marked `debian-services`
in order. Only what people do by hand is done here: IMP_KEY and IMP_SECRET are written for the editor, and i'mport,
which the relay's own sandbox plays, posts the first webhook from its own address. var/debian/transcript has all of it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts import debian_root
from scripts.check_image import FOLDER, ROOT, say

PACKAGES = ("systemd", "systemd-sysv", "dbus", "iproute2", "python3")
IAMPORT = "52.78.100.19"
BOOT_WITHIN = 60.0
LONGEST = 300.0
SETTINGS = {"IMP_KEY": "imp_apikey", "IMP_SECRET": "sandbox-secret", "IMP_API_URL": "http://127.0.0.1:8002"}
EDITOR = "#!/bin/sh\n" + "".join(f"echo '{name}={value}' >>\"$1\"\n" for name, value in SETTINGS.items())
SANDBOX = (
    "systemd-run --quiet --unit sandbox --setenv=IMP_KEY=imp_apikey --setenv=IMP_SECRET=sandbox-secret"
    " /opt/iamport-relay/bin/python -P -m sandbox"
)
FIRST_WEBHOOK = f"""
ip address add {IAMPORT}/32 dev lo
{SANDBOX}
for try in $(seq 100); do curl --silent --output /dev/null http://127.0.0.1:8002/ && break; sleep 0.1; done
paid=$(curl --fail --silent --request POST 'http://127.0.0.1:8002/_sandbox/scenarios/lost-webhook?wait=true' \\
    --json '{{}}' | sed 's/.*"imp_uids":\\["\\([^"]*\\)".*/\\1/')
curl --fail --silent --show-error --insecure --interface {IAMPORT} --connect-to ::127.0.0.1: \\
    https://relay.example.com/webhooks --data "imp_uid=$paid" --data merchant_uid=first --data status=paid
sleep 3
"""
SHOWN = ('"status":"ready"', '"status":403', '"status":"accepted"', "applied")
"""What the commands have to show: the receiver's state, two answers to webhooks, and what became of the first."""


def blocks(kind: str) -> list[str]:
    """The commands of the chapter that are marked like this."""
    page = (ROOT / "docs" / "operating.md").read_text()
    chapter = page.partition("\n## Installing on Debian\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```sh {kind}\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)


def main() -> int:
    """The exit status: 1 where a command fails."""
    try:
        debian_root.require()
        say("a bare Debian …")
        root = debian_root.copy(debian_root.make(FOLDER / "bare", PACKAGES), FOLDER / "machine")
        release(root / "root")
        (root / "usr/local/bin/fill-in").write_text(EDITOR)
        (root / "usr/local/bin/fill-in").chmod(0o755)
        say("packages …")
        (root / "root/packages.sh").write_text("set -eux\ncd /root\n" + "".join(blocks("debian")))
        say(debian_root.run(root, "bash /root/packages.sh 2>&1", {"DEBIAN_FRONTEND": "noninteractive"})[-300:])
        with booted(root) as machine:
            say("services …")
            said = in_machine(machine, script())
            (FOLDER / "transcript").write_text(said)
            say(check(said))
    except (debian_root.CannotTry, debian_root.Failed) as error:
        say(f"make check-install: {error}")
        return 1
    return 0


def release(target: Path) -> None:
    """Put wheel and sdist of this checkout there."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def script() -> str:
    """All that is done on the running machine; i'mport posts before the webhook is looked for."""
    *before, looked_at = blocks("debian-services")
    return "\n".join(["export EDITOR=fill-in", "set -eux", *before, FIRST_WEBHOOK, looked_at])


def check(said: str) -> str:
    """A line of praise. Raises `Failed` where something is not shown."""
    missing = [expected for expected in SHOWN if expected not in said]
    if missing:
        raise debian_root.Failed(f"{', '.join(missing)} missing in:\n{said}")
    return "every command succeeded; the first webhook was accepted, looked up, and is in history"


@contextmanager
def booted(root: Path) -> Iterator[int]:
    """The running machine: the id of its first process. Raises `Failed` where it does not start."""
    log = (FOLDER / "boot.log").open("wb")
    command = debian_root.enter(root, "--boot", "--private-network", "--console=pipe")
    nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _first_process(nspawn)
    finally:
        nspawn.send_signal(signal.SIGTERM)  # the machine shuts down
        try:
            nspawn.wait(30)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()
        log.close()


def _first_process(nspawn: subprocess.Popen[bytes]) -> int:
    ends = time.monotonic() + BOOT_WITHIN
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    while time.monotonic() < ends and nspawn.poll() is None:
        found = children.read_text().split()
        if found and "running" in _state(int(found[0])):
            return int(found[0])
        time.sleep(0.5)
    raise debian_root.Failed(f"it does not boot: see {FOLDER / 'boot.log'}")


def _state(machine: int) -> str:
    command = [*_inside(machine), "systemctl", "is-system-running"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return said.replace("degraded", "running")  # a container lacks devices that some units of Debian want


def in_machine(machine: int, commands: str) -> str:
    """Run these in one shell on the machine; what they printed. Raises `Failed`."""
    shell = subprocess.run(
        [*_inside(machine), "bash", "-c", commands],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if shell.returncode != 0:
        journal = subprocess.run(
            [*_inside(machine), "journalctl", "--no-pager", "--lines", "60"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        raise debian_root.Failed(f"{shell.stdout[-4000:]}\nstatus {shell.returncode}\n{journal}")
    return shell.stdout


def _inside(machine: int) -> list[str]:
    environ = [
        "env",
        "-i",
        "HOME=/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
    ]
    spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/root"]
    return [shutil.which("nsenter") or "nsenter", f"--target={machine}", *spaces, *environ]


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
