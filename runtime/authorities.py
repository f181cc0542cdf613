"""The authorities that the certificates of other servers are verified against.

Reading them takes 20 ms and megabytes, so a process does it once, and processes that are forked afterwards share them.
As everywhere in OpenSSL, SSL_CERT_FILE and SSL_CERT_DIR may name an operator's own.
"""

from __future__ import annotations

import os
import ssl
from functools import cache

import httpx


def trusted_authorities() -> ssl.SSLContext:
    """A context that trusts certifi's authorities, or those that the environment names instead."""
    return _trusted(*_named())


def trusted_and_system_authorities() -> ssl.SSLContext:
    """A context that trusts certifi's authorities, and the system's or those that the environment names instead of the
    system's: so an operator can add a private one."""
    return _trusted_and_system(*_named())


def read_authorities() -> None:
    """Read all of them, for the processes that this one will fork."""
    trusted_authorities()
    trusted_and_system_authorities()


def _named() -> tuple[str | None, str | None]:
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


@cache
def _trusted(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


@cache
def _trusted_and_system(_file: str | None, _directory: str | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
