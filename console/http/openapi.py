"""The OpenAPI description, made from the same table that dispatches requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from console.http.openapi_callbacks import CALLBACKS, MEANINGS
from console.http.operation import Operation
from console.http.problems import Problem
from runtime.version import relay_version
from schemas import wire
from schemas.problem import MEDIA_TYPE

EXAMPLES = Path(__file__).with_name("examples.json")
"""For each operation, as ``METHOD /path/{part}``: a request and the answer of a console to it."""

_REF = "#/components/schemas/{model}"
_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}}


def examples() -> dict[str, dict[str, Any]]:
    """The example of each operation: `path`, `query`, `body`, `status` and `answer`."""
    found: dict[str, dict[str, Any]] = wire.loads(EXAMPLES.read_bytes())
    return found


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """The description of these operations."""
    table = tuple(operations)
    refs, components = _schemas(table)
    shown = examples()
    paths: dict[str, Any] = {}
    for operation in table:
        example = shown[f"{operation.method} {operation.path}"]
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, refs, example)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "iamport-relay",
            "version": relay_version(),
            "description": "The operator API. Amounts are numbers in the currency's major unit, times RFC 3339 in UTC.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "webhooks": {kind: {"post": _webhook(kind, refs[model, "serialization"])} for kind, model in CALLBACKS.items()},
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_Refs = Mapping[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]


def _schemas(table: tuple[Operation, ...]) -> tuple[_Refs, dict[str, Any]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    wanted |= dict.fromkeys((model, "serialization") for model in CALLBACKS.values())
    for operation in table:
        if operation.body is not None:
            wanted[operation.body, "validation"] = None
        for model in operation.answers.values():
            if model is not None:
                wanted[model, "serialization"] = None
    found, schema = models_json_schema(list(wanted), ref_template=_REF)
    return {model: found[model] for model in wanted}, _without_null_defaults(schema["$defs"])


def _webhook(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The description of a callback, and of what an endpoint's answers mean."""
    headers = {
        "webhook-id": "the event's id, the same in every attempt",
        "webhook-timestamp": "the time of this attempt in UNIX seconds",
        "webhook-signature": "Standard Webhooks: one `v1,…` for each valid secret, separated by spaces",
    }
    return {
        "operationId": kind,
        "summary": MEANINGS[kind],
        "tags": ["callbacks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "Delivered"},
            "410": {"description": "The endpoint is disabled, its deliveries are held"},
            "429": {"description": "Again, no sooner than Retry-After says"},
            "503": {"description": "Again, no sooner than Retry-After says"},
            "default": {"description": "Again, by RELAY_RETRY_SCHEDULE"},
        },
    }


def _operation(operation: Operation, refs: _Refs, example: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": "_".join([operation.method.lower(), *re.findall(r"\w+", operation.path)[1:]]),
        "summary": operation.summary,
        "tags": [operation.path.split("/")[2]],
        "parameters": [
            *_path_parameters(operation, example["path"]),
            *_query_parameters(operation, example["query"]),
        ],
        "responses": _responses(operation, refs, example),
    }
    if operation.method == "POST":
        described["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"}}
        )
    if operation.body is not None:
        described["requestBody"] = {
            "required": any(field.is_required() for field in operation.body.model_fields.values()),
            "content": {
                "application/json": {
                    "schema": refs[operation.body, "validation"],
                    **({} if example["body"] is None else {"example": example["body"]}),
                }
            },
        }
    return described


def _responses(operation: Operation, refs: _Refs, example: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in operation.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if model:
            shown = {"example": example["answer"]} if status == example["status"] else {}
            content = {"application/json": {"schema": refs[model, "serialization"], **shown}}
            responses[str(status)]["content"] = content
        elif operation.streams and status == 200:
            responses["200"]["content"] = {kind: {"schema": {"type": "string"}} for kind in operation.streams}
    for status in sorted({401, 422, 503, *operation.problems, *_of_method(operation)}):
        responses[str(status)] = {"description": HTTPStatus(status).phrase, **_PROBLEM}
    return responses


def _of_method(operation: Operation) -> tuple[int, ...]:
    forbidden = () if operation.for_all_tokens else (403,)
    still_running = (409,) if operation.method == "POST" else ()
    # A part that is not text, or is longer than any name, cannot name anything.
    nowhere = (404,) if operation.parts else ()
    return (*forbidden, *still_running, *nowhere, 413)


def _path_parameters(operation: Operation, example: Mapping[str, str]) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema, "example": example[name]}
        for name in operation.parts
    ]


def _query_parameters(operation: Operation, example: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _plain(field, definitions),
            **({"description": field["description"]} if "description" in field else {}),
            **({"example": example[name]} if name in example else {}),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _plain(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: without null, as a parameter is there or not, and without references."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = dict(kinds[0])
    if "$ref" in kind:
        kind = dict(definitions[kind["$ref"].rpartition("/")[2]])
    kind.pop("title", None)
    kind.pop("description", None)
    if field.get("default") is not None:
        kind["default"] = field["default"]
    return kind


def _without_null_defaults(schema: Any) -> Any:
    """Remove the default null of fields that may be left out, but not be null."""
    if isinstance(schema, list):
        return [_without_null_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_null_defaults(part)
        for name, part in schema.items()
        if not (name == "default" and part is None and not _nullable(schema))
    }


def _nullable(schema: Mapping[str, Any]) -> bool:
    return any(kind.get("type") == "null" for kind in schema.get("anyOf", ()))
