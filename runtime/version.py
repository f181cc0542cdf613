"""Which version of iamport-relay this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def relay_version() -> str:
    """The version of the installed distribution; `0` without one, as in a bare checkout."""
    try:
        return version("iamport-relay")
    except PackageNotFoundError:
        return "0"
