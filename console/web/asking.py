"""The operator API's calls, made from within: what a page shows or does is what the API answers or does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from console.context import Context
from console.http.operation import Call, Operation
from console.http.problems import WrongField
from console.http.requests import InvalidFields, modelled
from schemas import wire
from schemas.reasons import Reason

MOST = 200
"""Rows of a list that one call gives."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API answers: the status and the body as plain values; amounts are `int` or `Decimal`."""

    status: int
    value: Any


class Desk:
    """Makes calls of the operator API by method and path template, e.g. `("GET", "/v1/payments/{imp_uid}")`."""

    def __init__(self, context: Context, operations: Iterable[Operation], *, read_only: bool = True) -> None:
        self.context = context
        self._read_only = read_only
        self._operations: dict[tuple[str, str], Operation] = {
            (operation.method, operation.path): operation for operation in operations
        }

    def of(self, *, read_only: bool) -> Desk:
        """The same, for somebody who may act or may only look."""
        if read_only == self._read_only:
            return self
        return Desk(self.context, self._operations.values(), read_only=read_only)

    async def ask(
        self,
        method: str,
        path: str,
        parts: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Make a call; parameters that are None or empty are as if they were not given.

        Raises `InvalidFields` with every wrong field, and whatever `RelayError` the API would answer with.
        """
        operation = self._operations[method, path]
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        errors: list[WrongField] = []
        parameters = modelled(operation.query, given, errors, self.context.settings)
        parsed = modelled(operation.body_model, dict(body or {}), errors, self.context.settings)
        if errors:
            raise InvalidFields(errors)
        call: Call[Any, Any] = Call(self.context, dict(parts or {}), parameters, parsed, self._read_only)
        answer = await operation.handler(call)
        return Reply(answer.status, _plain(answer.value))

    async def rows(self, path: str, *, limit: int = MOST, **query: Any) -> list[Any]:
        """The first rows of a list."""
        reply = await self.ask("GET", path, query={**query, "limit": limit})
        rows: list[Any] = reply.value["data"]
        return rows

    async def merchants(self) -> list[str]:
        """The names of merchants, to choose from."""
        return [row["merchant"] for row in await self.rows("/v1/merchants")]


def _plain(value: Any) -> Any:
    """The value as a program that reads the JSON would have it, but with reasons as data."""
    if isinstance(value, BaseModel):
        return {name: _plain(one) for name, one in value}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | Reason | None) else wire.loads(wire.dumps(value))
