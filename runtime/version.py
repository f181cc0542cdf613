"""Which version of iamport-relay this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def relay_version() -> str:
    """As the installed distribution says; `0` where there is none, as in a bare checkout."""
    try:
        return version("iamport-relay")
    except PackageNotFoundError:
        return "0"
