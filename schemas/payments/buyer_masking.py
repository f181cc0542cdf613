"""Buyers' data: hidden until an operator asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from schemas import wire
from schemas.payments.extra_fields import ELLIPSIS

MASK = "•••"
_BUYERS = re.compile(
    r"(?:buyer_|card_|refund_|vbank_holder$|holder$|depositor|custom_data$)"
    r"|.*(?:^|[_-])(?:e?mail|tel|phone|mobile|addr|address|postcode|zipcode|birth|birthday)(?:$|[_-])",
    re.IGNORECASE,
)


def is_private(name: str) -> bool:
    """Whether a field of this name says something about a buyer."""
    return _BUYERS.match(name) is not None


def masked(value: Any) -> Any:
    """The same value with buyers' data replaced. Absent and empty values stay."""
    if isinstance(value, Mapping):
        return {
            name: MASK if is_private(name) and inner not in (None, "", 0) else masked(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return MASK if isinstance(value, str) and _hides_something(value) else value


def _hides_something(text: str) -> bool:
    """Whether a text is JSON with buyers' data inside. JSON that was cut cannot be read and counts as such."""
    if not text.lstrip("[ \r\n\t").startswith("{"):
        return False
    try:
        return has_private(wire.loads(text))
    except ValueError:
        return text.endswith(ELLIPSIS)


def has_private(value: Any) -> bool:
    """Whether masking hides anything."""
    return bool(masked(value) != value)
