"""`/v1/keys/reseal`: seal everything that is stored with the first encryption key."""

from __future__ import annotations

from console.http import acts
from console.http.models import Nothing, Out, Parameters
from console.http.operation import Call, Operation, OperationResult
from console.operations.reseal_keys import reseal_keys


class ResealOut(Out):
    """How many were sealed with another key and are with the first one now; what none of the keys opens, by name."""

    merchants: int
    endpoints: int
    unreadable: list[str]


async def reseal(call: Call[Parameters, Nothing]) -> OperationResult:
    """Seal everything with the first key."""
    return OperationResult(ResealOut.model_validate(await reseal_keys(call.context)))


OPERATIONS = (
    Operation("POST", "/v1/keys/reseal", "Seal what is stored with the first encryption key", reseal, {200: ResealOut},
              audited=acts.KEYS_RESEAL),
)  # fmt: skip
