"""i'mport's envelope ``{"code", "message", "response"}``, and request bodies as JSON or form."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring_ascii
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from schemas import wire

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def json_response(value: Any, status_code: int = 200) -> Response:
    """JSON with amounts digit by digit, and everything outside ASCII as ``\\uXXXX``, as i'mport writes Korean."""
    body = wire.dumps(value)
    if not body.isascii():
        body = _NOT_ASCII.sub(_escaped, body.decode()).encode("ascii")
    return Response(body, status_code, media_type="application/json")


def success(response: Any, status_code: int = 200) -> Response:
    """A successful answer."""
    return json_response({"code": 0, "message": None, "response": response}, status_code)


def failure(message: str, status_code: int = 200, code: int = -1) -> Response:
    """A refusal or error; i'mport sends some under HTTP 200."""
    return json_response({"code": code, "message": message, "response": None}, status_code)


def _escaped(match: re.Match[str]) -> str:
    """Characters as JSON escapes in ASCII; characters from U+10000 on become surrogate pairs."""
    return encode_basestring_ascii(match[0])[1:-1]


async def parse_body(request: Request) -> dict[str, Any]:
    """The fields of a JSON object or a form; empty if the body is neither."""
    body = await request.body()
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        value = wire.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def parse_number(value: Any) -> int | Decimal | None:
    """The number in a form's field, None for an empty one. Raises `ValueError` for anything else."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("not a number")
    if not isinstance(value, str):
        return value
    try:
        written = Decimal(value)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not written.is_finite():
        raise ValueError("not a number")
    return int(written) if written == written.to_integral_value() and "." not in value else written
