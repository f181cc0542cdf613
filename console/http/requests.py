"""Reading a request: its query and its body, every wrong field found at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from console.http.models import Parameters
from console.http.operation import Operation
from console.http.problems import WrongField, field_errors
from runtime.settings import Settings
from schemas import wire
from schemas.reasons import Reason

MAX_BODY_BYTES = 256 * 1024
"""The most bytes of a body."""


class TooLarge(Exception):
    """A body of more than `MAX_BODY_BYTES` bytes."""


class InvalidFields(Exception):
    """A request that does not validate; `errors` has every wrong field."""

    def __init__(self, errors: list[WrongField]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


async def read_body(request: Request) -> bytes:
    """The body's bytes. Raises `TooLarge`."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            raise TooLarge
    return bytes(received)


def parse_request(
    operation: Operation, request: Request, body: bytes, settings: Settings
) -> tuple[Parameters, BaseModel]:
    """A request's query and body as the operation's models, validated with `settings`. Raises `InvalidFields`."""
    errors: list[WrongField] = []
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            errors.append(WrongField(name[:200], Reason.of("given_twice")))
        given[name] = value
    query = parse_model(operation.query, given, errors, settings)
    try:
        value = wire.loads(body) if body.strip() else {}
    except ValueError:
        errors.append(WrongField("", Reason.of("not_json")))
        raise InvalidFields(errors) from None
    parsed = parse_model(operation.body_model, value, errors, settings)
    if errors or query is None or parsed is None:
        raise InvalidFields(errors)
    return query, parsed


def parse_model(model: type[Any], value: Any, errors: list[WrongField], settings: Settings) -> Any:
    """The value as a model; None if it does not validate, with every wrong field added to `errors`."""
    if not isinstance(value, Mapping):
        errors.append(WrongField("", Reason.of("body_not_object")))
        return None
    try:
        return model.model_validate(value, context=settings)
    except ValidationError as error:
        errors.extend(field_errors(error))
        return None
