"""Nested fields of a form: `extra[escrow_status]=4` is the form of the JSON `{"extra": {"escrow_status": "4"}}`.

PHP and most form libraries write nested values like this. `a[]` appends to a list; `a[0]`, `a[1]` … make a list, too.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import count
from typing import Any

_NESTED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){1,8})")
"""A name with more brackets than this stays as it is."""


def nested(pairs: Iterable[tuple[str, str]], flat: Container[str]) -> dict[str, Any]:
    """The fields of a form's pairs; the first of equal names wins.

    The names in ``flat`` are never nested: `status[x]` is a field beside `status`. A bracketed name whose place is
    already taken by a text is a field of its own, too.
    """
    fields: dict[str, Any] = {}
    for name, value in pairs:
        match = _NESTED.fullmatch(name)
        if match is None or match[1] in flat or not _put(fields, [match[1], *match[2][1:-1].split("][")], value):
            fields.setdefault(name, value)
    return {name: _with_lists(value) for name, value in fields.items()}


def _put(fields: dict[str, Any], path: list[str], value: str) -> bool:
    """Puts a value at a path, unless it is taken. False if the path leads through something that is not an object."""
    place = fields
    for part in path[:-1]:
        name = part or _next(place)
        if place.get(name) in (None, ""):
            place[name] = {}
        place = place[name]
        if not isinstance(place, dict):
            return False
    place.setdefault(path[-1] or _next(place), value)
    return True


def _next(place: Mapping[str, Any]) -> str:
    """The index under which `a[]` puts its value."""
    return next(number for number in map(str, count(len(place))) if number not in place)


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(one) for name, one in value.items()}
    places = [str(place) for place in range(len(inner))]
    return [inner[place] for place in places] if inner.keys() == set(places) else inner
