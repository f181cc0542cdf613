"""The authorities that a process trusts are read once, and again if the environment names others."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest

from runtime.authorities import read_authorities, trusted_and_system_authorities, trusted_authorities


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("authorities", [trusted_authorities, trusted_and_system_authorities])
def test_they_are_shared_while_they_are_the_same(
    authorities: Callable[[], ssl.SSLContext], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All transports of a process have one context; an operator who names other authorities gets another."""
    read_authorities()
    before = authorities()
    assert authorities() is before
    named = shutil.copy(certifi.where(), tmp_path)
    monkeypatch.setenv(variable, str(named if variable == "SSL_CERT_FILE" else tmp_path))
    elsewhere = authorities()
    assert elsewhere is not before
    assert authorities() is elsewhere
    monkeypatch.undo()
    assert authorities() is before
