"""The fields of a submitted form, and how they become the body of a call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from console.http.problems import WrongField
from console.http.requests import InvalidFields, read_body
from schemas.reasons import Reason
from schemas.times import rfc3339

CSRF = "csrf"
_MOST_FIELDS = 300
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_INTEGER = 18
"""The most digits of a number that becomes an integer, as in JSON. A longer one becomes a `Decimal`, which is cheap."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form by name; empty for a request that has none."""

    fields: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> str:
        """The field's text without spaces around it; "" if the field is missing."""
        values = self.fields.get(name)
        return values[-1].strip() if values else ""

    def all(self, name: str) -> list[str]:
        """Every value of a field that can be given several times."""
        return [value.strip() for value in self.fields.get(name, ()) if value.strip()]

    def has(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.get(name))

    def number(self, name: str) -> Any:
        """The number in a field, None if it is empty. Other text is returned unchanged, for the API to refuse.

        A comma may only separate thousands: half of the world uses it as the decimal point.
        """
        text = self.get(name)
        if not text:
            return None
        if _THOUSANDS.fullmatch(text):
            text = text.replace(",", "")
        if "_" in text:  # Decimal would accept 1_000, as Python does
            return text
        if text.isdecimal() and len(text) <= _INTEGER:
            return int(text)
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        return number if number.is_finite() else text

    def moment(self, name: str, zone: tzinfo) -> str | None:
        """The time in a `datetime-local` field, read in `zone`, as RFC 3339; None if it is empty."""
        text = self.get(name)
        if not text:
            return None
        try:
            return rfc3339(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())
        except (ValueError, OverflowError):
            return text

    def lines(self, name: str) -> dict[str, str]:
        """The `name: value` lines of a field."""
        found = {}
        for line in self.get(name).splitlines():
            key, _, value = line.partition(":")
            if line.strip():
                found[key.strip()] = value.strip()
        return found


async def read_form(request: Request) -> Form:
    """The form of a request. Raises `TooLarge`, and `InvalidFields` for a body that no form of ours sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request)
    if not body:
        return Form()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidFields([WrongField("", Reason.of("not_a_form"))])
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidFields([WrongField("", Reason.of("form_unreadable"))]) from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return Form(fields)


def filled(**fields: Any) -> dict[str, Any]:
    """The fields that were filled in."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
