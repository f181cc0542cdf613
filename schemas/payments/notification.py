"""The fields of a webhook's body, and the notification that the relay stores of it.

i'mport posts JSON or a form with `imp_uid`, `merchant_uid`, `status` and, for cancellations, `cancellation_id`.
None of it is signed, so `WebhookFields` are only a hint that a payment changed. A body is refused only if it names no
payment. Everything else in it is read leniently, because i'mport does not send again after a 4xx.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote_to_bytes

import orjson

from schemas import wire
from schemas.errors import BadNotification, UnsupportedContentType
from schemas.payments import body_reasons
from schemas.payments.extra_fields import dump_extra, short_text
from schemas.payments.form_fields import nested
from schemas.payments.snapshot import IMP_UID

if TYPE_CHECKING:
    import random

FORM_FIELDS = 1000
"""The most fields of a form that are read; the rest counts as one unusable field."""
CAPS = {"merchant_uid": 200, "status": 64, "cancellation_id": 200}
"""The longest optional values, in characters; longer ones count as absent (i'mport's own limit is 40)."""

_KNOWN = frozenset({"imp_uid", *CAPS})
_BOM = b"\xef\xbb\xbf"
_CHARSETS = dict.fromkeys(("euc-kr", "euckr", "ks_c_5601-1987", "cp949", "ms949", "windows-949"), "cp949")
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)


@dataclass(frozen=True, slots=True)
class WebhookFields:
    """The fields of a webhook's body. `extra` is a JSON object of the other fields, empty without any."""

    imp_uid: str
    merchant_uid: str | None = None
    status: str | None = None
    cancellation_id: str | None = None
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Notification:
    """A webhook as it is stored.

    `source` is the address it came from. It is `verified` if that is one of i'mport's addresses or in
    RELAY_ALLOWED_IPS, or if the path holds the merchant's webhook token. `received_at` is in UNIX seconds, None for
    "now, by Redis' clock". `token_hash` is the SHA-256 in hex of the webhook token in the path, None without one.
    `traceparent` is the span that stored it (W3C Trace Context), "" if it is not traced.
    """

    id: str
    merchant: str
    imp_uid: str
    merchant_uid: str | None
    status: str | None
    cancellation_id: str | None
    source: str
    verified: bool
    received_at: float | None
    extra: bytes
    token_hash: str | None
    traceparent: str = ""


def new_id(now: float, rng: random.Random) -> str:
    """A notification's id: `ntf_` and 26 lowercase base32 characters that sort by time (`now` in UNIX seconds).

    48 bits of milliseconds and 80 random ones, as in a ULID; Crockford's alphabet keeps the order.
    """
    number = (max(0, int(now * 1000)) & 0xFFFF_FFFF_FFFF) << 80 | rng.getrandbits(80)
    return "ntf_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def parse(body: bytes, content_type: str) -> WebhookFields:
    """The fields of a webhook's body, JSON or form by `content_type`.

    Raises `UnsupportedContentType`, and `BadNotification` for a body that does not parse or has no usable `imp_uid`.
    Neither error quotes the body.
    """
    kind, charset = _media_type(content_type)
    if kind == "other":
        raise UnsupportedContentType
    body = body.removeprefix(_BOM)
    fields = _json_fields(body, charset) if kind == "json" else _form_fields(body, charset)
    imp_uid = fields.get("imp_uid")
    if not isinstance(imp_uid, str) or not IMP_UID.fullmatch(imp_uid):
        raise BadNotification(body_reasons.of_fields(fields, body if kind == "form" else None))
    return WebhookFields(
        imp_uid,
        short_text(fields.get("merchant_uid"), CAPS["merchant_uid"]),
        short_text(fields.get("status"), CAPS["status"]),
        short_text(fields.get("cancellation_id"), CAPS["cancellation_id"]),
        b"" if fields.keys() <= _KNOWN else dump_extra({name: fields[name] for name in fields if name not in _KNOWN}),
    )


@lru_cache(maxsize=64)
def _media_type(content_type: str) -> tuple[Literal["json", "form", "other"], str]:
    """The kind of body that a content type announces, and the codec of its charset."""
    media_type, _, parameters = content_type.partition(";")
    charset = "utf-8"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = _CHARSETS.get(value.strip().strip('"').lower(), "utf-8")
    match media_type.strip().lower():
        case "application/json":
            return "json", charset
        case "application/x-www-form-urlencoded":
            return "form", charset
    return "other", charset


def _json_fields(body: bytes, charset: str) -> dict[str, Any]:
    """The members of a JSON object.

    orjson reads the usual bodies. A body with numbers or other fields, or one that orjson refuses, is read again by
    `schemas.wire`, which keeps numbers as they were written. JSON is UTF-8. A body that is not UTF-8 is read in the
    charset that its content type names, so that a Korean name never costs a webhook.
    """
    try:
        fields = orjson.loads(body)
        if isinstance(fields, dict) and fields.keys() <= _KNOWN and all(type(v) is str for v in fields.values()):
            return fields
    except orjson.JSONDecodeError:
        pass
    try:
        fields = _loaded(body, charset)
    except (ValueError, ArithmeticError):
        raise BadNotification(body_reasons.of_unparsable(body)) from None
    if not isinstance(fields, dict):
        raise BadNotification("not_an_object")
    return fields


def _loaded(body: bytes, charset: str) -> Any:
    try:
        return wire.loads(body)
    except UnicodeDecodeError:
        if charset == "utf-8":
            raise
        # In CP949 the second byte of a Korean letter is never a quote or a backslash, so the JSON stays intact.
        return wire.loads(body.decode(charset, "replace"))


def _form_fields(body: bytes, charset: str) -> dict[str, Any]:
    """The fields of a form; the first of equal names wins. Bytes that cannot be decoded become U+FFFD."""
    pairs = []
    for field in body.strip(b"\r\n").split(b"&", FORM_FIELDS):
        name, _, value = (part.replace(b"+", b" ") for part in field.partition(b"="))
        if name:
            pairs.append((_decoded(name, charset), _decoded(value, charset)))
    return nested(pairs, flat=_KNOWN)


def _decoded(part: bytes, charset: str) -> str:
    return unquote_to_bytes(part).decode(charset, "replace")
