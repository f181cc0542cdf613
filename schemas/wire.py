"""JSON that keeps numbers as they were written.

Amounts are JSON numbers and some currencies have decimals, so no amount from i'mport may become a float on its way to a
subscriber: numbers with a point or exponent are read as `Decimal` and written back digit for digit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

_SAFE_DIGITS = 18


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _SAFE_DIGITS else Decimal(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def loads(data: bytes | str) -> Any:
    """The value of a JSON text in UTF-8; numbers are `int` or `Decimal`, never `float`.

    Raises `ValueError` for anything that is not JSON, is not UTF-8, or nests too deeply.
    """
    text = data if isinstance(data, str) else data.decode("utf-8")
    try:
        return json.loads(text, parse_float=Decimal, parse_int=_integer, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except InvalidOperation:
        raise ValueError("a number with an exponent out of all bounds") from None


def _number(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def dumps(value: Any) -> bytes:
    """JSON in UTF-8; a `Decimal` becomes the number it was read from.

    Raises `TypeError` for values JSON cannot hold (also for strings with lone surrogates).
    """
    text = orjson.dumps(value, default=_number)
    # Copied, because the bytes that orjson returns keep a buffer of up to thirteen times their size alive.
    return b"".join((text, b""))


def whole(value: Any) -> Any:
    """The value with U+FFFD in place of each lone surrogate. JSON can hold a lone surrogate (a text that was cut in the
    middle of an emoji ends with one); UTF-8 cannot."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case Mapping():
            return {whole(name): whole(inner) for name, inner in value.items()}
        case list():
            return [whole(inner) for inner in value]
    return value
