"""`/v1/events/{id}/explain`: why an endpoint has, has not, or has not yet received an event."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from console.http import acts
from console.http.models import Nothing, Out, Parameters, ReasonCode, ReasonText
from console.http.operation import Call, Operation, OperationResult
from console.operations.explain_delivery import Got, explain_delivery
from console.resources.deliveries import DeliveryOut


class ExplainParameters(Parameters):
    """Which endpoint."""

    endpoint: str = Field(min_length=1, max_length=200)


class Explanation(Out):
    """Why, in words and as a code; `delivery` is null where the event was never for this endpoint."""

    event: str
    endpoint: str
    got: Got
    reason: ReasonText
    reason_code: ReasonCode = Field(validation_alias="reason")
    delivery: DeliveryOut | None


async def explain(call: Call[ExplainParameters, Nothing]) -> OperationResult:
    """Why this endpoint has, has not, or has not yet received this event."""
    explanation = await explain_delivery(call.context, call.path["id"], call.query.endpoint)
    return OperationResult(Explanation.model_validate(explanation))


OPERATIONS = (
    Operation(
        "GET", "/v1/events/{id}/explain", "Why an endpoint has or has not got it", explain, {200: Explanation},
        query=ExplainParameters, problems=(404,), audited=replace(acts.DELIVERY_READ, object="{id}.{endpoint}"),
    ),
)  # fmt: skip
