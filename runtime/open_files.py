"""How many files and sockets this process may have open at a time."""

from __future__ import annotations

import resource


def allow_open_files(wanted: int) -> None:
    """Raise the limit to `wanted`, or as far as the system allows. A higher limit stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
