"""Certificate authorities that a process trusts."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from functools import cache, wraps

_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables by which OpenSSL, and httpx, learn of other authorities."""


def read_once(read: Callable[[], ssl.SSLContext]) -> Callable[[], ssl.SSLContext]:
    """A function whose context all transports of a process share: to read a hundred certificates takes 20 ms of CPU.

    It is read again where `_PLACES` have changed. Its users leave the context as it is.
    """

    @cache
    def read_from(*_places: str | None) -> ssl.SSLContext:
        return read()

    @wraps(read)
    def shared() -> ssl.SSLContext:
        return read_from(*map(os.environ.get, _PLACES))

    return shared
