"""`/v1/tokens`: which tokens the operator API takes, and when each was last used."""

from __future__ import annotations

from pydantic import Field

from console.http.models import ListOut, Nothing, Out, Parameters, Time
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.token_uses import list_tokens
from console.operations.wait_for_history import HistoryPage
from runtime.setting_values import Rights


class TokenOut(Out):
    """A token; its value is never shown."""

    fingerprint: str = Field(description="the first 32 digits of its SHA-256; 8 for read-only tokens")
    actor: str = Field(description="who has it, as the audit says: its name, else how its fingerprint begins")
    rights: Rights = Field(description="`metrics`: for `/metrics` only")
    last_used_at: Time | None = Field(description="at a console, to a minute; null: not within 400 days")


class TokenList(ListOut[TokenOut]):
    """All tokens, in the order of the settings."""


async def list_(call: Call[Parameters, Nothing]) -> OperationResult:
    """The tokens of this console."""
    return listed(TokenList, HistoryPage(await list_tokens(call.context, read_only=call.read_only), None))


OPERATIONS = (
    Operation("GET", "/v1/tokens", "List the tokens of the API, and when each was last used", list_, {200: TokenList}),
)
