"""The environment that `relay up` gives its processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.data_dir import DataDir
from cli.stack import Addresses, environment

ADDRESSES = Addresses({"redis": 7379, "receiver": 8000, "console": 8001, "sandbox": 8002, "subscriber": 8003}, {})


@pytest.mark.parametrize("name", ["REDIS_URL", "IMP_API_URL", "RELAY_SPOOL_DIR", "RELAY_IAMPORT_PROXY"])
def test_what_has_to_fit_together_is_not_the_users(tmp_path: Path, name: str) -> None:
    """Neither as a variable nor from a file; the sandbox is reached without a proxy."""
    data_dir = DataDir(tmp_path)
    given = {name: "http://elsewhere:3128", f"{name}_FILE": "/run/secrets/elsewhere"}
    made, usual = (environment(data_dir, ADDRESSES, environ) for environ in (given, {}))
    data_dir.close()
    assert made[name] == usual[name]
    assert f"{name}_FILE" not in made
