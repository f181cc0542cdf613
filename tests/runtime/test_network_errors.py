"""Errors of TLS, DNS and the system, in the words that people read."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from runtime.network_errors import causes, lowered, reason_of
from tests.support.reasons import said


def certificate(message: str) -> ssl.SSLCertVerificationError:
    """OpenSSL's error about a certificate, with its own words for it."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = message
    return error


def handshake(reason: str) -> ssl.SSLError:
    """OpenSSL's error about a handshake."""
    error = ssl.SSLError(1, "failed")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (certificate("certificate has expired"), "TLS: certificate has expired"),
        (certificate("EE certificate key too weak"), "TLS: EE certificate key too weak"),
        (certificate("CA md too weak"), "TLS: CA md too weak"),
        (certificate("IP address mismatch, certificate is not valid for '1.2.3.4'."),
         "TLS: IP address mismatch, certificate is not valid for '1.2.3.4'"),
        (certificate("Hostname mismatch"), "TLS: hostname mismatch"),
        (certificate("CRL has expired"), "TLS: CRL has expired"),
        (certificate("A"), "TLS: a"),
        (handshake("WRONG_VERSION_NUMBER"), "TLS: wrong version number"),
        (handshake("TLSV1_ALERT_UNKNOWN_CA"), "TLS: TLSv1 alert unknown CA"),
        (handshake("EE_KEY_TOO_SMALL"), "TLS: EE key too small"),
        (handshake("HTTP_REQUEST"), "TLS: HTTP request"),
        (ssl.SSLError(1, "failed"), "TLS: handshake failed"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "DNS: no such host"),
        (socket.gaierror(socket.EAI_FAIL, "x"), "DNS: no usable address"),
        (ConnectionResetError(), "connection reset"),
        (OSError(errno.EHOSTUNREACH, "x"), "host unreachable"),
        (OSError(errno.EMFILE, "x"), "too many open files"),
        (OSError(errno.EL2NSYNC, "x"), "level 2 not synchronized"),
        (OSError("no number"), ""),
        (ValueError("x"), ""),
    ],
)  # fmt: skip
def test_an_error_in_words(error: BaseException, words: str) -> None:
    """The words begin small, except for names like EE, CA and IP, which keep their capitals."""
    assert said(reason_of(error)) == words


def test_the_innermost_cause_comes_first() -> None:
    """Whoever wraps an error knows less of it; what goes in circles ends."""
    inner, outer = OSError(errno.ECONNREFUSED, "x"), ValueError()
    outer.__cause__ = inner
    assert list(causes(outer)) == [inner, outer]
    inner.__cause__ = outer
    assert set(causes(outer)) == {inner, outer}
    assert lowered("") == ""
