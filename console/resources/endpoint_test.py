"""`/v1/endpoints/{id}/test`: send a `relay.test` event now."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from console.http import acts
from console.http.models import Nothing, Out, Parameters, ReasonCode, ReasonText, also_in
from console.http.operation import Call, Operation, OperationResult
from console.operations.try_endpoint import try_endpoint
from console.resources.deliveries import AttemptOut


class TestedOut(AttemptOut):
    """The attempt at a test event."""

    model_config = ConfigDict(alias_generator=also_in("attempt"))

    event: str
    delivery: str


class NotYetTested(Out):
    """A test event that no worker has sent in time."""

    event: str
    delivery: str
    reason: ReasonText = Field(description="why it was not sent, in words")
    reason_code: ReasonCode = Field(validation_alias="reason")


async def test(call: Call[Parameters, Nothing]) -> OperationResult:
    """Send a test event and wait for the attempt."""
    tested = await try_endpoint(call.context, call.path["id"])
    if tested.attempt is None:
        return OperationResult(NotYetTested.model_validate(tested), 202)
    return OperationResult(TestedOut.model_validate(tested))


OPERATIONS = (
    Operation(
        "POST", "/v1/endpoints/{id}/test", "Send a relay.test event now", test, {200: TestedOut, 202: NotYetTested},
        problems=(404, 409), audited=acts.ENDPOINT_TEST,
    ),
)  # fmt: skip
