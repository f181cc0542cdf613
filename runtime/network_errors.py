"""Why a connection failed, as a reason: TLS, DNS and the system."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from schemas.reasons import Reason

_OS_CODES = {
    errno.ECONNREFUSED: "connection_refused",
    errno.ECONNRESET: "connection_reset",
    errno.EPIPE: "connection_reset",
    errno.ECONNABORTED: "connection_reset",
    errno.EHOSTUNREACH: "host_unreachable",
    errno.ENETUNREACH: "network_unreachable",
    errno.ETIMEDOUT: "connection_unanswered",
}
_DNS_CODES = {
    socket.EAI_NONAME: "dns_no_host",
    socket.EAI_AGAIN: "dns_unanswered",
}
# OpenSSL's reasons are all in capitals (`CA_MD_TOO_WEAK`). These words are not put into lower case.
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
        # aiohttp keeps the system's own error there.
        error = error.__cause__ or getattr(error, "os_error", None)
    return reversed(chain)


def reason_of(error: BaseException) -> Reason | None:
    """The reason for one error; None if the error is not of TLS, DNS or the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason.of("tls_failed", error=lowered(error.verify_message.rstrip(".")))
    if isinstance(error, ssl.SSLError):
        # An error that Python raised, not OpenSSL, has no reason.
        reason = getattr(error, "reason", None) or "handshake failed"
        words = (_NAMES.get(word, word.lower()) for word in reason.replace("_", " ").split())
        return Reason.of("tls_failed", error=" ".join(words))
    if isinstance(error, socket.gaierror):
        return Reason.of(_DNS_CODES.get(error.errno or 0, "dns_no_address"))
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Reason.of("connection_reset")
    if isinstance(error, OSError) and error.errno:
        code = _OS_CODES.get(error.errno)
        return Reason.of(code) if code else Reason.of("connection_error", error=lowered(os.strerror(error.errno)))
    return None


def lowered(text: str) -> str:
    """A sentence for use after a colon: with a small first letter, unless the first word is all in capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
