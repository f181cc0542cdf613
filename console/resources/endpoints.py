"""Endpoints: who hears of what, and where; their secrets."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import orjson

from console.context import Context
from console.http.models import Nothing, Parameters, time
from console.http.operation import Call, Operation, OperationResult
from console.resources.endpoint_models import (
    EndpointCreated,
    EndpointIn,
    EndpointList,
    EndpointListing,
    EndpointOut,
    EndpointPatch,
    PreviousSecret,
    RotateIn,
    SecretOut,
    shown,
)
from ledger.endpoints import RegisteredEndpoint
from schemas.endpoints.endpoint import Endpoint, SealedSecret, new_id, new_secret, rotated
from schemas.reasons import Reason


def endpoint_out(call: Call[Any, Any], registered: RegisteredEndpoint) -> EndpointOut:
    """An endpoint as whoever calls may see it; its headers are opened for their names."""
    sealed = registered.endpoint.headers
    header_names = list(orjson.loads(call.context.sealer.open(sealed))) if sealed else []
    return shown(registered, header_names, read_only=call.read_only)


def _changes(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """Given fields as `Endpoint` has them; what is secret is sealed."""
    changes = dict(given)
    if "types" in changes:
        changes["types"] = tuple(changes["types"])
    if "headers" in changes:
        headers = changes["headers"]
        changes["headers"] = context.sealer.seal(orjson.dumps(headers).decode()) if headers else ""
    return changes


async def create(call: Call[Parameters, EndpointIn]) -> OperationResult:
    """Add an endpoint."""
    context = call.context
    secret = new_secret(secrets.token_bytes(32))
    endpoint = Endpoint(
        id=new_id(secrets.token_bytes(13)),
        secrets=(SealedSecret(context.sealer.seal(secret)),),
        **_changes(context, call.body.model_dump()),
    )
    await context.ledger.endpoints.create(endpoint)
    created = endpoint_out(call, await context.ledger.endpoints.get(endpoint.id))
    location = {"location": f"/v1/endpoints/{endpoint.id}"}
    return OperationResult(EndpointCreated(**dict(created), secret=secret), 201, location)


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One endpoint."""
    return await _shown(call)


async def _shown(call: Call[Any, Any]) -> OperationResult:
    return OperationResult(endpoint_out(call, await call.context.ledger.endpoints.get(call.path["id"])))


async def list_(call: Call[EndpointListing, Nothing]) -> OperationResult:
    """Endpoints of one merchant, or all."""
    page = await call.context.ledger.endpoints.list(call.query.part, call.query.merchant)
    rows = [endpoint_out(call, row) for row in page.rows]
    return OperationResult(EndpointList(data=rows, next_cursor=page.next_cursor))


async def patch(call: Call[Parameters, EndpointPatch]) -> OperationResult:
    """Change an endpoint."""
    changes = _changes(call.context, call.body.model_dump(exclude_unset=True))
    await call.context.ledger.endpoints.update(call.path["id"], lambda endpoint: replace(endpoint, **changes))
    return await _shown(call)


async def delete(call: Call[Parameters, Nothing]) -> OperationResult:
    """Take an endpoint away; what it still had to get is discarded."""
    await call.context.ledger.endpoints.delete(call.path["id"])
    return OperationResult(status=204)


async def enable(call: Call[Parameters, Nothing]) -> OperationResult:
    """Release what was held."""
    ledger = call.context.ledger
    ledger.queue.kick_all(await ledger.endpoints.enable(call.path["id"]))
    return await get(call)


async def disable(call: Call[Parameters, Nothing]) -> OperationResult:
    """Hold deliveries from now on."""
    await call.context.ledger.endpoints.disable(call.path["id"], Reason.of("disabled_by_operator"))
    return await get(call)


async def secret(call: Call[Parameters, Nothing]) -> OperationResult:
    """The secrets that sign now."""
    now = await call.context.ledger.store.now()
    registered = await call.context.ledger.endpoints.get(call.path["id"])
    return OperationResult(_secrets(call.context, registered.endpoint, now))


async def rotate(call: Call[Parameters, RotateIn]) -> OperationResult:
    """A new secret; those before go on signing for as long as they were promised to."""
    context = call.context
    now = await context.ledger.store.now()
    fresh = context.sealer.seal(new_secret(secrets.token_bytes(32)))

    def turn(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, secrets=rotated(endpoint.secrets, fresh, now, call.body.overlap))

    return OperationResult(_secrets(context, await context.ledger.endpoints.update(call.path["id"], turn), now))


def _secrets(context: Context, endpoint: Endpoint, now: float) -> SecretOut:
    newest, *others = endpoint.secrets
    return SecretOut(
        secret=context.sealer.open(newest.sealed),
        previous=[
            PreviousSecret(secret=context.sealer.open(one.sealed), expires_at=time(one.expires_at))
            for one in others
            if one.expires_at is None or one.expires_at > now
        ],
    )


_ONE = "/v1/endpoints/{id}"

OPERATIONS = (
    Operation("POST", "/v1/endpoints", "Add an endpoint", create, {201: EndpointCreated}, body=EndpointIn,
              problems=(404,)),
    Operation("GET", "/v1/endpoints", "List endpoints", list_, {200: EndpointList}, query=EndpointListing),
    Operation("GET", _ONE, "Show an endpoint", get, {200: EndpointOut}, problems=(404,)),
    Operation("PATCH", _ONE, "Change an endpoint", patch, {200: EndpointOut}, body=EndpointPatch, problems=(404,)),
    Operation("DELETE", _ONE, "Delete an endpoint and discard what it still had to get", delete, {204: None},
              problems=(404,)),
    Operation("GET", f"{_ONE}/secret", "Show the secrets that sign", secret, {200: SecretOut}, problems=(404,),
              secret=True),
    Operation("POST", f"{_ONE}/secret/rotate", "Replace the secret", rotate, {200: SecretOut}, body=RotateIn,
              problems=(404,)),
    Operation("POST", f"{_ONE}/enable", "Enable: release what was held", enable, {200: EndpointOut}, problems=(404,)),
    Operation("POST", f"{_ONE}/disable", "Disable: hold deliveries", disable, {200: EndpointOut}, problems=(404,)),
)  # fmt: skip
