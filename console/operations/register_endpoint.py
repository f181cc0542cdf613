"""Create, change, enable, disable and delete endpoints."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from console.context import Context
from console.operations.read_endpoints import EndpointView, read_endpoint
from schemas.endpoints.endpoint import Endpoint, SealedSecret, new_id, new_secret
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class CreatedEndpoint(EndpointView):
    """A new endpoint with the secret that its callbacks are signed with."""

    secret: str = field(repr=False)


async def create_endpoint(context: Context, fields: Mapping[str, Any]) -> CreatedEndpoint:
    """Create an endpoint from checked `fields` of `Endpoint`. Raises `NotFound`.

    `headers` is a mapping of names to values; this function seals it.
    """
    secret = new_secret(secrets.token_bytes(32))
    endpoint = Endpoint(
        id=new_id(secrets.token_bytes(13)),
        secrets=(SealedSecret(context.sealer.seal(secret)),),
        **_sealed(context, fields),
    )
    await context.ledger.endpoints.create(endpoint)
    created = await read_endpoint(context, endpoint.id, read_only=False)
    return CreatedEndpoint(created.stored, created.header_names, secret)


async def change_endpoint(context: Context, endpoint_id: str, fields: Mapping[str, Any]) -> EndpointView:
    """Change the given `fields` of an endpoint and keep the others. Raises `NotFound`."""
    changes = _sealed(context, fields)
    await context.ledger.endpoints.update(endpoint_id, lambda endpoint: replace(endpoint, **changes))
    return await read_endpoint(context, endpoint_id, read_only=False)


async def enable_endpoint(context: Context, endpoint_id: str) -> EndpointView:
    """Enable an endpoint: its held deliveries are sent. Raises `NotFound`."""
    await context.ledger.endpoints.enable(endpoint_id)
    return await read_endpoint(context, endpoint_id, read_only=False)


async def disable_endpoint(context: Context, endpoint_id: str) -> EndpointView:
    """Disable an endpoint: its deliveries are held from now on. Raises `NotFound`."""
    await context.ledger.endpoints.disable(endpoint_id, Reason.of("disabled_by_operator"))
    return await read_endpoint(context, endpoint_id, read_only=False)


async def delete_endpoint(context: Context, endpoint_id: str) -> None:
    """Delete an endpoint: its unsettled deliveries are discarded. Raises `NotFound`."""
    await context.ledger.endpoints.delete(endpoint_id)


def _sealed(context: Context, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as `Endpoint` stores them, with sealed headers."""
    changes = dict(fields)
    if "types" in changes:
        changes["types"] = tuple(changes["types"])
    if "headers" in changes:
        headers = changes["headers"]
        changes["headers"] = context.sealer.seal(orjson.dumps(headers).decode()) if headers else ""
    return changes
