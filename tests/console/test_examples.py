"""The examples in the OpenAPI description: each is what a real console answers to what it asks."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import pytest

from console.http.openapi import EXAMPLES, describe, examples
from console.http.openapi_callbacks import CALLBACKS
from console.resources.endpoint_models import RotateIn
from console.resources.routes import OPERATIONS
from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES, PAYMENT_TYPES, TEST_TYPE
from scripts.reference.events import endpoint_body, payment_bodies
from tests.console import examples as story
from tests.console.conftest import Console, running
from tests.support.iamport_stub import Stub


@pytest.fixture
async def console(redis_url: str, stub: Stub) -> AsyncIterator[Console]:
    """A console whose i'mport is the stub."""
    environ = {"IMP_API_URL": stub.url, "IMP_KEY": "key", "IMP_SECRET": "secret", "RELAY_RETRY_SCHEDULE": "5s"}
    async with running(redis_url, environ) as console:
        yield console


async def test_every_example_is_what_happens(console: Console, stub: Stub) -> None:
    """Each is carried out; what comes differs only in ids, secrets and times, which are replaced in both.

    After a change of the API: RENEW_EXAMPLES=1 make test ARGS=tests/console/test_examples.py
    """
    played = await story.play(console, stub)
    fresh = {name: played[name] for name in sorted(played)}
    if os.environ.get("RENEW_EXAMPLES"):
        EXAMPLES.write_text(json.dumps(_plain(fresh), indent=1, ensure_ascii=False) + "\n")
    assert _plain(fresh) == _plain(examples())


def test_every_operation_has_an_example() -> None:
    """Nobody has to guess what a call looks like."""
    assert {f"{operation.method} {operation.path}" for operation in OPERATIONS} == set(examples())


def _plain(value: Any) -> Any:
    """As JSON has it, with amounts as numbers."""
    return json.loads(wire.dumps(value))


def described() -> dict[str, Any]:
    """The OpenAPI description."""
    description: dict[str, Any] = json.loads(_description())
    return description


@cache
def _description() -> bytes:
    return wire.dumps(describe(OPERATIONS))


def complaints(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value by a schema of the description."""
    from openapi_schema_validator import OAS31Validator  # two seconds, which no other file's process has to spend

    components = {"components": described()["components"]}
    return [error.message for error in OAS31Validator({**schema, **components}).iter_errors(value)]


def faults(description: dict[str, Any]) -> list[str]:
    """What is wrong with a description by OpenAPI's rules."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    return [error.message for error in OpenAPIV31SpecValidator(description).iter_errors()]


def test_the_description_is_valid_openapi() -> None:
    """Generators of clients refuse one that is not; defaults have to be of their own type, too."""
    assert faults(described()) == []


def test_the_validator_finds_a_wrong_default() -> None:
    """As there once was: a number for a duration."""
    wrong = described()
    wrong["components"]["schemas"]["RotateIn"]["properties"]["overlap"]["default"] = 86400.0
    assert faults(wrong) != []


def test_a_default_is_what_leaving_it_out_means() -> None:
    """It is written as a client writes it, and is taken for what the field is without it."""
    text = described()["components"]["schemas"]["RotateIn"]["properties"]["overlap"]["default"]
    assert RotateIn.model_validate({"overlap": text}) == RotateIn()


@pytest.mark.parametrize("name", [f"{operation.method} {operation.path}" for operation in OPERATIONS])
def test_an_example_is_as_described(name: str) -> None:
    """Request and answer are of the shapes that the description gives for them."""
    method, path = name.split()
    example, operation = examples()[name], described()["paths"][path][method.lower()]
    if example["body"] is not None:
        taken = operation["requestBody"]["content"]["application/json"]
        assert (complaints(taken["schema"], example["body"]), taken["example"]) == ([], example["body"])
    if example["answer"] is not None:
        given = operation["responses"][str(example["status"])]["content"]["application/json"]
        assert (complaints(given["schema"], example["answer"]), given["example"]) == ([], example["answer"])
    given_parameters = {one["name"] for one in operation["parameters"] if "example" in one}
    assert given_parameters == {*example["path"], *example["query"]}


def test_every_event_is_described_as_it_is_sent() -> None:
    """Bodies made by the code that makes them in service are of the described shape, and have no field beyond it."""
    webhooks = described()["webhooks"]
    assert set(webhooks) == {*PAYMENT_TYPES, *ENDPOINT_TYPES, TEST_TYPE}
    bodies = [json.loads(body) for body in (*payment_bodies(), endpoint_body())]
    assert {body["type"] for body in bodies} == {*PAYMENT_TYPES, ENDPOINT_TYPES[1]}
    for body in bodies:
        schema = webhooks[body["type"]]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert complaints(schema, body) == []
        model = CALLBACKS[body["type"]]
        known = model.model_validate(body).model_dump(exclude_unset=True)
        assert _keys(body) == _keys(known)


def _keys(value: Any, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    return {path} | {key for name, part in value.items() for key in _keys(part, f"{path}.{name}")}
