"""`/v1/events/{id}/explain`: why an endpoint has, has not, or has not yet received an event."""

from __future__ import annotations

from pydantic import Field

from console.http.models import Nothing, Out, Parameters
from console.http.operation import Call, Operation, OperationResult
from console.operations.explain_delivery import Got, explain_delivery
from console.resources.deliveries import DeliveryOut


class ExplainParameters(Parameters):
    """Which endpoint."""

    endpoint: str = Field(min_length=1, max_length=200)


class Explanation(Out):
    """Why, in words; `delivery` is null where the event was never for this endpoint."""

    event: str
    endpoint: str
    got: Got
    reason: str
    delivery: DeliveryOut | None


async def explain(call: Call[ExplainParameters, Nothing]) -> OperationResult:
    """Why this endpoint has, has not, or has not yet received this event."""
    explanation = await explain_delivery(call.context, call.path["id"], call.query.endpoint)
    return OperationResult(Explanation.model_validate(explanation))


OPERATIONS = (
    Operation(
        "GET", "/v1/events/{id}/explain", "Why an endpoint has or has not got it", explain, {200: Explanation},
        query=ExplainParameters, problems=(404,),
    ),
)  # fmt: skip
