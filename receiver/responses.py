"""Every answer of the receiver, as the two ASGI messages that send it.

Errors are RFC 9457 problems. Everything but the id of an accepted webhook is built once, at start.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from runtime.version import relay_version
from schemas.errors import UnknownMerchant, UnsupportedContentType
from schemas.problem import MEDIA_TYPE, problem_members
from schemas.reasons import Reason

Headers = list[tuple[bytes, bytes]]

MOST_BYTES = 65_536
"""Bytes that a webhook's body may have."""
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


def problem(status: int, reason: Reason, headers: Headers | None = None) -> AsgiResponse:
    """A problem."""
    return answer(status, orjson.dumps(problem_members(status, reason)), MEDIA_TYPE, headers)


_LATER: Headers = [(b"retry-after", b"%d" % RETRY_AFTER)]

FORBIDDEN = problem(403, Reason.of("source_not_allowed"))
NO_SUCH_PATH = problem(404, Reason.of("nothing_at_path"))
NO_SUCH_MERCHANT = problem(404, UnknownMerchant().reason)
POST_ONLY = problem(405, Reason.of("method_not_allowed", allowed="POST"), [(b"allow", b"POST")])
GET_ONLY = problem(405, Reason.of("method_not_allowed", allowed="GET, HEAD"), [(b"allow", b"GET, HEAD")])
TOO_LARGE = problem(413, Reason.of("webhook_too_large", bytes=MOST_BYTES))
ENCODED = problem(415, Reason.of("webhook_encoded"))
OTHER_CONTENT_TYPE = problem(415, UnsupportedContentType().reason)
TOO_MANY = problem(429, Reason.of("too_many_webhooks"), [(b"retry-after", b"1")])
UNAVAILABLE = problem(503, Reason.of("webhook_not_stored"), _LATER)
TOO_MANY_CONNECTIONS = problem(503, Reason.of("too_many_connections"), _LATER)
TOO_SLOW = problem(408, Reason.of("request_too_slow"))
HEADERS_TOO_LARGE = problem(431, Reason.of("headers_too_large"))
NOT_HTTP = problem(400, Reason.of("not_http_request"))
NO_TOKEN = problem(401, Reason.of("token_needed"), [(b"www-authenticate", b"Bearer")])
ALIVE = json(200, {"status": "alive", "version": relay_version()})

_ACCEPTED = b'{"status":"accepted","id":"%s"}'
_ID_BYTES = 30
_ACCEPTED_START = answer(200, _ACCEPTED % (b"x" * _ID_BYTES), "application/json").start


def accepted(notification: str) -> AsgiResponse:
    """The 200 for a notification that is on disk. Ids of `schemas.payments.notification.new_id` all have one length."""
    return AsgiResponse(_ACCEPTED_START, {"type": "http.response.body", "body": _ACCEPTED % notification.encode()})


def raw(what: AsgiResponse) -> bytes:
    """An answer as HTTP/1.1 that closes its connection, for bytes that are not a request."""
    lines = [b"HTTP/1.1 %d %s" % (what.status, HTTPStatus(what.status).phrase.encode()), b"connection: close"]
    lines += [b"%s: %s" % header for header in what.start["headers"]]
    return b"\r\n".join([*lines, b"", what.body["body"]])
