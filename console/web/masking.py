"""Buyers' data: hidden until somebody asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "•••"
_BUYERS = re.compile(r"buyer_|card_|refund_|vbank_holder$|holder$|depositor|custom_data$", re.IGNORECASE)


def is_private(name: str) -> bool:
    """Whether a field of this name says something about a buyer."""
    return _BUYERS.match(name) is not None


def masked(value: Any) -> Any:
    """The same value with buyers' data replaced; what is absent or empty stays so."""
    if isinstance(value, Mapping):
        return {
            name: MASK if is_private(name) and inner not in (None, "", 0) else masked(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return value


def has_private(value: Any) -> bool:
    """Whether masking hides anything."""
    return bool(masked(value) != value)
