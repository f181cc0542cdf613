"""i'mport's OpenAPI description (Swagger 2.0), as far as it says which fields an answer has and of which type.

Fields outside ``required`` may be null. Names under ``required`` that the description itself does not describe
(`reason` of a deposit, `total` of a prepared amount) are mistakes in it and are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, Decimal),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
DESCRIPTION: dict[str, Any] = json.loads((Path(__file__).parent / "iamport-v1-openapi.json").read_text("utf-8"))


def schema_of(path: str, method: str = "get") -> dict[str, Any]:
    """What the description promises for a call's 200."""
    schema = DESCRIPTION["paths"][path][method]["responses"]["200"]["schema"]
    assert isinstance(schema, dict)
    return schema


def deviations(value: Any, schema: Mapping[str, Any], where: str = "answer") -> Iterator[str]:
    """Where ``value`` is not as described, one line each."""
    if "$ref" in schema:
        yield from deviations(value, DESCRIPTION["definitions"][schema["$ref"].rsplit("/", 1)[1]], where)
    for part in schema.get("allOf", ()):
        yield from deviations(value, part, where)
    kind = schema.get("type", "object" if "properties" in schema else None)
    if kind is not None and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{where} is {value!r}, not {kind}"
        return
    if isinstance(value, str) and len(value) > int(schema.get("maxLength", 10**6)):
        yield f"{where} is longer than {schema['maxLength']}"
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from deviations(item, schema.get("items", {}), f"{where}[{index}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name in properties and value.get(name) is None:
                yield f"{where}.{name} is missing"
        for name, of_name in properties.items():
            if value.get(name) is not None:
                yield from deviations(value[name], of_name, f"{where}.{name}")


def unknown_fields(payment: Mapping[str, Any]) -> set[str]:
    """Names that the description of a payment does not have."""
    return set(payment) - set(DESCRIPTION["definitions"]["PaymentAnnotation"]["properties"])
