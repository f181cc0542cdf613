"""Network namespaces as hosts: each has an address of its own, and reaches this machine and the others over a bridge.

The addresses are of 198.18.0.0/15, which RFC 2544 sets apart for benchmarks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

OUTSIDE = "198.18.0.1"
"""This machine's address on the bridge."""
_BRIDGE = "relay-bench"


class NoNamespaces(Exception):
    """This machine, or this user, cannot make any; the text says why."""


@dataclass(frozen=True, slots=True)
class Host:
    """A namespace, its address on the bridge, and the bridge's end of the cable between them."""

    name: str
    address: str
    cable: str

    def run(self, *command: str) -> Sequence[str]:
        """The command that runs another in it, as the same process."""
        return "ip", "netns", "exec", self.name, *command


@contextmanager
def hosts(*names: str) -> Iterator[dict[str, Host]]:
    """Hosts by their names, while this lasts. Raises `NoNamespaces`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise NoNamespaces("network namespaces need root and iproute2")
    made = {
        name: Host(f"{_BRIDGE}-{name}", f"198.18.0.{number}", f"{_BRIDGE}{number}")
        for number, name in enumerate(names, 2)
    }
    _take_down(made.values())  # what a run that was killed has left
    try:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("address", "add", f"{OUTSIDE}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for host in made.values():
            _ip("netns", "add", host.name)
            _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            _ip("link", "set", host.cable, "master", _BRIDGE, "up")
            _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", host.name, "link", "set", device, "up")
        yield made
    except subprocess.CalledProcessError as error:
        raise NoNamespaces(error.stderr.strip()) from error
    finally:
        _take_down(made.values())


def _take_down(made: Iterable[Host]) -> None:
    """The cables first: a namespace takes its end with it, but only some time after it is deleted."""
    for host in made:
        _ip("link", "delete", host.cable, check=False)
        _ip("netns", "delete", host.name, check=False)
    _ip("link", "delete", _BRIDGE, check=False)


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(("ip", *words), check=check, capture_output=True, text=True)
