"""The authorities that a process trusts are read once, and again where they are elsewhere."""

from __future__ import annotations

import ssl

import pytest

from runtime.authorities import read_once


@read_once
def context() -> ssl.SSLContext:
    """A context that trusts none."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_context_is_shared_while_its_authorities_are_the_same(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with several transports reads them once; whoever names others gets others."""
    before = context()
    assert context() is before
    monkeypatch.setenv(variable, "/elsewhere")
    elsewhere = context()
    assert elsewhere is not before
    assert context() is elsewhere
    monkeypatch.undo()
    assert context() is before
