"""`/v1/endpoints`: who subscribes to what, and where callbacks go; their secrets."""

from __future__ import annotations

from console.http import acts
from console.http.models import Nothing, Parameters
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.read_endpoints import list_endpoints, read_endpoint
from console.operations.register_endpoint import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
)
from console.operations.rotate_secret import read_secrets, rotate_secret
from console.resources.endpoint_models import (
    EndpointCreated,
    EndpointIn,
    EndpointList,
    EndpointListing,
    EndpointOut,
    EndpointPatch,
    RotateIn,
    SecretOut,
)


async def create(call: Call[Parameters, EndpointIn]) -> OperationResult:
    """Create an endpoint."""
    created = await create_endpoint(call.context, call.body.model_dump())
    location = {"location": f"/v1/endpoints/{created.endpoint.id}"}
    return OperationResult(EndpointCreated.model_validate(created), 201, location)


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One endpoint."""
    endpoint = await read_endpoint(call.context, call.path["id"], read_only=call.read_only)
    return OperationResult(EndpointOut.model_validate(endpoint))


async def list_(call: Call[EndpointListing, Nothing]) -> OperationResult:
    """Endpoints of one merchant, or all."""
    page = await list_endpoints(call.context, call.query.part, call.query.merchant, read_only=call.read_only)
    return listed(EndpointList, page)


async def patch(call: Call[Parameters, EndpointPatch]) -> OperationResult:
    """Change an endpoint."""
    changed = await change_endpoint(call.context, call.path["id"], call.body.model_dump(exclude_unset=True))
    return OperationResult(EndpointOut.model_validate(changed))


async def delete(call: Call[Parameters, Nothing]) -> OperationResult:
    """Delete an endpoint."""
    await delete_endpoint(call.context, call.path["id"])
    return OperationResult(status=204)


async def enable(call: Call[Parameters, Nothing]) -> OperationResult:
    """Send what was held."""
    return OperationResult(EndpointOut.model_validate(await enable_endpoint(call.context, call.path["id"])))


async def disable(call: Call[Parameters, Nothing]) -> OperationResult:
    """Hold deliveries from now on."""
    return OperationResult(EndpointOut.model_validate(await disable_endpoint(call.context, call.path["id"])))


async def secret(call: Call[Parameters, Nothing]) -> OperationResult:
    """The secrets that sign now."""
    return OperationResult(SecretOut.model_validate(await read_secrets(call.context, call.path["id"])))


async def rotate(call: Call[Parameters, RotateIn]) -> OperationResult:
    """Replace the secret; the old one goes on signing for a while."""
    secrets = await rotate_secret(call.context, call.path["id"], call.body.overlap)
    return OperationResult(SecretOut.model_validate(secrets))


_ONE = "/v1/endpoints/{id}"

OPERATIONS = (
    Operation("POST", "/v1/endpoints", "Add an endpoint", create, {201: EndpointCreated}, body=EndpointIn,
              problems=(404,), audited=acts.ENDPOINT_CREATE),
    Operation("GET", "/v1/endpoints", "List endpoints", list_, {200: EndpointList}, query=EndpointListing),
    Operation("GET", _ONE, "Show an endpoint", get, {200: EndpointOut}, problems=(404,)),
    Operation("PATCH", _ONE, "Change an endpoint", patch, {200: EndpointOut}, body=EndpointPatch, problems=(404,),
              audited=acts.ENDPOINT_CHANGE),
    Operation("DELETE", _ONE, "Delete an endpoint and discard what it still had to get", delete, {204: None},
              problems=(404,), audited=acts.ENDPOINT_DELETE),
    Operation("GET", f"{_ONE}/secret", "Show the secrets that sign", secret, {200: SecretOut}, problems=(404,),
              secret=True, audited=acts.SECRET_READ),
    Operation("POST", f"{_ONE}/secret/rotate", "Replace the secret", rotate, {200: SecretOut}, body=RotateIn,
              problems=(404,), audited=acts.SECRET_ROTATE),
    Operation("POST", f"{_ONE}/enable", "Enable: send what was held", enable, {200: EndpointOut}, problems=(404,),
              audited=acts.ENDPOINT_ENABLE),
    Operation("POST", f"{_ONE}/disable", "Disable: hold deliveries", disable, {200: EndpointOut}, problems=(404,),
              audited=acts.ENDPOINT_DISABLE),
)  # fmt: skip
