"""Why a connection failed (TLS, DNS or the system), in short words that do not change with versions of libraries."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

_OS_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer to connecting",
}
_DNS_WORDS = {
    socket.EAI_NONAME: "no such host",
    socket.EAI_AGAIN: "no answer from the name servers",
}
# OpenSSL's reasons are all in capitals (`CA_MD_TOO_WEAK`); of these words the capitals belong to them.
_NAMES = {"TLSV1": "TLSv1", "SSLV3": "SSLv3"} | {
    name: name
    for name in ("CA", "CRL", "DH", "EC", "EE", "HTTP", "HTTPS", "IP", "MD", "OCSP", "PSK", "RSA", "SSL", "TLS")
}


def causes(failure: BaseException) -> Iterator[BaseException]:
    """The failure and its causes, the innermost first, as it is the most precise."""
    chain: list[BaseException] = []
    error: BaseException | None = failure
    while error is not None and error not in chain:
        chain.append(error)
        # aiohttp has the system's own error there.
        error = error.__cause__ or getattr(error, "os_error", None)
    return reversed(chain)


def words(error: BaseException) -> str | None:
    """One error in words; None where it comes neither from TLS nor from DNS nor from the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "TLS: " + lowered(error.verify_message.rstrip("."))
    if isinstance(error, ssl.SSLError):
        # One that Python made, not OpenSSL, has no reason.
        reason = getattr(error, "reason", None) or "handshake failed"
        return "TLS: " + " ".join(_NAMES.get(word, word.lower()) for word in reason.replace("_", " ").split())
    if isinstance(error, socket.gaierror):
        return "DNS: " + _DNS_WORDS.get(error.errno or 0, "no usable address")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "connection reset"
    if isinstance(error, OSError) and error.errno:
        return _OS_WORDS.get(error.errno) or lowered(os.strerror(error.errno))
    return None


def lowered(text: str) -> str:
    """A sentence as it stands behind a colon: a word in capitals at its beginning (`EE certificate …`) keeps them."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
