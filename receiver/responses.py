"""Every answer of the receiver, as the two ASGI messages that send it.

Errors are RFC 9457 problems. All but the id of an accepted webhook is made once, at start.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

Headers = list[tuple[bytes, bytes]]

RETRY_AFTER = 10
"""Seconds a client should wait after a 503."""


class AsgiResponse(NamedTuple):
    """`http.response.start` and `http.response.body`."""

    start: dict[str, Any]
    body: dict[str, Any]

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.start["status"])


def answer(status: int, body: bytes, content_type: str, headers: Headers | None = None) -> AsgiResponse:
    """An answer with a body; `headers` are those beyond its type and length."""
    fields = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body)), *(headers or [])]
    return AsgiResponse(
        {"type": "http.response.start", "status": status, "headers": fields},
        {"type": "http.response.body", "body": body},
    )


def json(status: int, value: object) -> AsgiResponse:
    """A JSON answer that must not be cached."""
    return answer(status, orjson.dumps(value), "application/json", [(b"cache-control", b"no-store")])


def problem(status: int, detail: str, headers: Headers | None = None) -> AsgiResponse:
    """An RFC 9457 problem; `detail` is for people."""
    fields = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return answer(status, orjson.dumps(fields), "application/problem+json", headers)


_LATER: Headers = [(b"retry-after", b"%d" % RETRY_AFTER)]

FORBIDDEN = problem(403, "Webhooks from this address are not allowed.")
NO_SUCH_PATH = problem(404, "There is nothing at this path.")
NO_SUCH_MERCHANT = problem(404, "No such merchant, or a wrong webhook token.")
POST_ONLY = problem(405, "Webhooks are posted.", [(b"allow", b"POST")])
GET_ONLY = problem(405, "This path is only read.", [(b"allow", b"GET, HEAD")])
TOO_LARGE = problem(413, "A webhook has at most 65536 bytes.")
ENCODED = problem(415, "A webhook's body is not compressed.")
TOO_MANY = problem(429, "Too many webhooks from this source.", [(b"retry-after", b"1")])
UNAVAILABLE = problem(503, "The webhook could not be stored; send it again.", _LATER)
TOO_MANY_CONNECTIONS = problem(503, "Too many connections.", _LATER)
TOO_SLOW = problem(408, "The request took too long to arrive.")
HEADERS_TOO_LARGE = problem(431, "The request's headers are too large.")
NOT_HTTP = problem(400, "This is not an HTTP/1.1 request.")
NO_TOKEN = problem(401, "Metrics need a bearer token.", [(b"www-authenticate", b"Bearer")])
ALIVE = json(200, {"status": "alive"})

_ACCEPTED = b'{"status":"accepted","id":"%s"}'
_ID_BYTES = 30
_ACCEPTED_START = answer(200, _ACCEPTED % (b"x" * _ID_BYTES), "application/json").start


def accepted(notification: str) -> AsgiResponse:
    """The 200 for a notification that is on disk. Ids of `schemas.payments.notification.new_id` all have one length."""
    return AsgiResponse(_ACCEPTED_START, {"type": "http.response.body", "body": _ACCEPTED % notification.encode()})


def raw(what: AsgiResponse) -> bytes:
    """An answer as HTTP/1.1 that closes its connection, for bytes that are no request."""
    lines = [b"HTTP/1.1 %d %s" % (what.status, HTTPStatus(what.status).phrase.encode()), b"connection: close"]
    lines += [b"%s: %s" % header for header in what.start["headers"]]
    return b"\r\n".join([*lines, b"", what.body["body"]])
