"""The operator API on one page for people, which loads nothing from other sites."""

from __future__ import annotations

from html import escape
from typing import Any

from schemas import wire

_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:3rem;text-transform:capitalize}summary{cursor:pointer;padding:.3rem 0}
code,pre{font:14px/1.5 ui-monospace,monospace}
pre{overflow:auto;padding:1rem;border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:.4rem}
.method{display:inline-block;min-width:4.5rem;font-weight:700}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0}
"""


def page(description: dict[str, Any]) -> str:
    """The page of an OpenAPI description."""
    parts = []
    section = ""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if operation["tags"][0] != section:
                section = operation["tags"][0]
                parts.append(f"<h2>{escape(section)}</h2>")
            parts.append(_operation(path, method, operation, description["components"]["schemas"]))
    info = description["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}: operator API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<main><h1>Operator API</h1><p>{escape(info['description'])}</p>"
        "<p>Every call takes <code>Authorization: Bearer …</code>; errors are RFC 9457 problems. "
        '<a href="/v1/openapi.json">The description for programs</a>.</p>'
        f"{''.join(parts)}</main></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}<td>{escape(_kind(one['schema']))}"
        for one in operation["parameters"]
    )
    parameters = f"<table><tr><th>parameter<th>in<th>takes{rows}</table>" if rows else ""
    body = operation.get("requestBody")
    taken = _schema("Takes", body["content"]["application/json"]["schema"], schemas) if body else ""
    given = "".join(
        _schema(f"{status} {answer['description']}", one["schema"], schemas)
        for status, answer in operation["responses"].items()
        for kind, one in answer.get("content", {}).items()
        if kind == "application/json"
    )
    return (
        f'<details><summary><code><span class="method">{escape(method.upper())}</span>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary>{parameters}{taken}{given}</details>"
    )


def _schema(title: str, schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    named = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    fields = {name: _kind(field) for name, field in named.get("properties", {}).items()}
    text = wire.dumps(fields).decode().replace('","', '",\n "')
    return f"<p>{escape(title)}</p><pre>{escape(text)}</pre>"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")
