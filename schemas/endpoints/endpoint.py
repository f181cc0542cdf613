"""An endpoint: a URL, the events it subscribes to, and how they are sent.

The checks here are of what an operator enters, without asking where addresses lead: `schemas.endpoints.egress` does
that. Each check raises `Invalid` with the field of the operator API that is wrong.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote

import httpx

from schemas.errors import Invalid
from schemas.reasons import Reason

PAYMENT_TYPES = (
    "payment.virtual_account_issued",
    "payment.virtual_account_expired",
    "payment.deposited",
    "payment.paid",
    "payment.failed",
    "payment.cancellation_pending",
    "payment.partially_cancelled",
    "payment.cancelled",
    "payment.cancellation_rejected",
    "payment.escrow_changed",
    "payment.amount_mismatch",
)
ENDPOINT_TYPES = ("endpoint.failing", "endpoint.disabled", "endpoint.recovered")
EVENT_TYPES = (*PAYMENT_TYPES, *ENDPOINT_TYPES)
"""All types that are recorded and that an endpoint can subscribe to."""
TEST_TYPE = "relay.test"

ALL_PAYMENTS = "payment.*"
EVERYTHING = "*"

MAX_URL = 2048
MAX_DESCRIPTION = 500
MAX_HEADERS = 50
MAX_HEADER_BYTES = 8192
IN_FLIGHT = 64
"""Callbacks that an endpoint allows at once unless its operator says otherwise."""
MOST_SECRETS = 5
"""The most secrets that sign at one time; each adds a signature to every callback's header."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?\Z")

# The relay alone sets headers that route a message, frame it or describe its body (RFC 9110 §7.6, RFC 9112 §6).
_OURS = frozenset(
    (
        "host",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A signing secret, sealed; it signs until `expires_at` (UNIX seconds), or until it is rotated if that is None."""

    sealed: str = field(repr=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One subscription. `headers` is the sealed JSON object of extra headers, or "" when there are none;
    `secrets` has the newest first; `rate_limit` is in requests a second; `created_at` in UNIX seconds."""

    id: str
    merchant: str
    url: str
    types: tuple[str, ...] = (ALL_PAYMENTS,)
    description: str = ""
    ordered: bool = True
    max_in_flight: int = IN_FLIGHT
    rate_limit: float | None = None
    headers: str = field(default="", repr=False)
    payload: Literal["full", "thin"] = "full"
    state: Literal["enabled", "disabled"] = "enabled"
    disabled_reason: Reason | None = None
    secrets: tuple[SealedSecret, ...] = ()
    created_at: float = 0.0


def new_id(entropy: bytes) -> str:
    """An endpoint's id: `ep_` and 20 characters of base32. `entropy` is at least 13 random bytes."""
    if len(entropy) < 13:
        raise ValueError("an endpoint's id takes at least 13 random bytes")
    return "ep_" + base64.b32encode(entropy).decode().lower()[:20]


def new_secret(entropy: bytes) -> str:
    """A signing secret as Standard Webhooks writes it: `whsec_` and base64 of 24 to 64 random bytes."""
    if not 24 <= len(entropy) <= 64:
        raise ValueError("a signing secret takes 24 to 64 random bytes")
    return "whsec_" + base64.b64encode(entropy).decode()


def rotated(secrets: tuple[SealedSecret, ...], fresh: str, now: float, overlap: float) -> tuple[SealedSecret, ...]:
    """The secrets of an endpoint after a rotation at `now` (UNIX seconds).

    The new one (`fresh`, sealed) has no end. The one before it signs for `overlap` seconds more. Secrets that were
    replaced earlier keep the end that they got then. Raises `Invalid` if these are more than `MOST_SECRETS`.
    """
    ending = (replace(one, expires_at=now + overlap) if one.expires_at is None else one for one in secrets)
    valid = [one for one in ending if one.expires_at is not None and one.expires_at > now]
    if len(valid) >= MOST_SECRETS:
        first = min(at for one in secrets if (at := one.expires_at) is not None and at > now)
        secrets_then = len(valid) + 1
        raise Invalid("overlap", Reason.of("too_many_secrets", secrets=secrets_then, most=MOST_SECRETS, expires=first))
    return (SealedSecret(fresh), *valid)


def filters_of(event_type: str) -> tuple[str, ...]:
    """The filters that cover `event_type`: a subscription with any of them gets it. A test event has none, because it
    is sent by hand and cannot be subscribed to."""
    if event_type == TEST_TYPE:
        return ()
    return (event_type, ALL_PAYMENTS, EVERYTHING) if event_type.startswith("payment.") else (event_type, EVERYTHING)


def wants(types: Iterable[str], event_type: str) -> bool:
    """Whether a subscription to `types` covers `event_type`."""
    return not set(filters_of(event_type)).isdisjoint(types)


def checked_url(url: str) -> httpx.URL:
    """The parsed URL of an endpoint, if it is well formed: http or https, a host, no credentials, no fragment.

    `schemas.endpoints.egress.check_url` decides whether the relay may call it. Raises `Invalid`.
    """
    if len(url) > MAX_URL:
        raise Invalid("url", Reason.of("too_long", most=MAX_URL))
    if any(char <= " " or char in "\\\x7f" for char in url):
        raise Invalid("url", Reason.of("url_with_space"))
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise Invalid("url", Reason.of("not_a_url")) from None
    if parsed.scheme not in ("http", "https"):
        raise Invalid("url", Reason.of("not_http"))
    if not parsed.raw_host:
        raise Invalid("url", Reason.of("url_without_host"))
    if "@" in re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise Invalid("url", Reason.of("url_with_user"))
    if "#" in url:
        raise Invalid("url", Reason.of("url_with_fragment"))
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        raise Invalid("url", Reason.of("bad_port"))
    return parsed


def request_target(url: str) -> bytes:
    """The target in the first line of a request to a checked `url` (RFC 9112 §3.2.1).

    Path and query stay byte for byte as the operator wrote them, because a signature may cover them. Only characters
    outside ASCII are percent-encoded: a request line may not hold them.
    """
    written = re.sub(r"^[^:]*://[^/?#]*", "", url).partition("#")[0]
    target = written if written.startswith("/") else "/" + written
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0]), target).encode("ascii")


def checked_types(types: Iterable[str]) -> tuple[str, ...]:
    """The types of a subscription, each once, in the order given. Raises `Invalid`."""
    chosen = tuple(dict.fromkeys(types))
    if not chosen:
        raise Invalid("types", Reason.of("no_types"))
    known = (*EVENT_TYPES, ALL_PAYMENTS, EVERYTHING)
    for name in chosen:
        if name not in known:
            raise Invalid("types", Reason.of("unknown_type", event_type=name[:80], wildcard=ALL_PAYMENTS))
    return chosen


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The extra headers of an endpoint, names in lower case. Raises `Invalid`, which never repeats a value."""
    if len(headers) > MAX_HEADERS:
        raise Invalid("headers", Reason.of("too_many_headers", most=MAX_HEADERS))
    checked: dict[str, str] = {}
    for name, value in headers.items():
        where = f"headers.{name[:100]}"
        lower = name.lower()
        if not _TOKEN.match(name):
            raise Invalid(where, Reason.of("bad_header_name"))
        if lower in _OURS or lower.startswith("webhook-"):
            raise Invalid(where, Reason.of("header_of_relay"))
        if lower in checked:
            raise Invalid(where, Reason.of("given_twice"))
        if not _VALUE.match(value):
            raise Invalid(where, Reason.of("bad_header_value"))
        checked[lower] = value
    if sum(len(name) + len(value) for name, value in checked.items()) > MAX_HEADER_BYTES:
        raise Invalid("headers", Reason.of("headers_too_long", bytes=MAX_HEADER_BYTES))
    return checked
