"""The calls of the operator API as data: both the routes and the OpenAPI description are made from them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel

from console.context import Context
from console.http.audited import Audited
from console.http.models import ListOut, Nothing, Parameters
from console.operations.wait_for_history import HistoryPage

Q = TypeVar("Q", bound=Parameters)
B = TypeVar("B", bound=BaseModel)
Method = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One validated request. `path` holds the decoded parts of its path."""

    context: Context
    path: Mapping[str, str]
    query: Q
    body: B
    read_only: bool = False
    """Whether the token is read-only. Endpoint URLs are masked for it, as they may hold secrets."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """The result of a handler: a model, or anything that `schemas.wire` can write. It is None for an answer without a
    body, and for one whose body is streamed: `stream`, whose first piece has been read already."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


def behind_headers(seconds: float) -> dict[str, str]:
    """The header that says that history was still so many seconds behind; none if it had everything."""
    return {"relay-history-behind": f"{seconds:.1f}"} if seconds else {}


def listed(model: type[ListOut[Any]], page: HistoryPage[Any]) -> OperationResult:
    """A page of a list. If history is still behind after waiting, a header says by how many seconds."""
    return OperationResult(model.model_validate(page), headers=behind_headers(page.behind))


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: its address, what it takes, what it can answer (`answers`: status → model), and who may make it."""

    method: Method
    path: str
    summary: str
    handler: Callable[[Call[Any, Any]], Awaitable[OperationResult]]
    answers: Mapping[int, type[BaseModel] | None]
    query: type[Parameters] = Parameters
    body: type[BaseModel] | None = None
    problems: tuple[int, ...] = ()
    secret: bool = False
    """The call shows secrets: read-only tokens may not make it, although it changes nothing."""
    audited: Audited | None = None
    """What the audit says of it; None if it neither changes anything nor shows secrets or buyers' data."""
    streams: tuple[str, ...] = ()
    """Media types of an answer that is streamed instead of one in JSON."""

    @property
    def body_model(self) -> type[BaseModel]:
        """The model of the body; one without fields if the call takes none."""
        return self.body or Nothing

    @property
    def for_all_tokens(self) -> bool:
        """Whether a read-only token may make the call."""
        return self.method == "GET" and not self.secret

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the variable parts of the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))


class Table:
    """Finds the operation of a path whose parts are percent-encoded one by one, so that a part may hold a slash."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._templates: dict[tuple[str, ...], dict[str, Operation]] = {}
        for operation in operations:
            template = tuple(operation.path.strip("/").split("/"))
            self._templates.setdefault(template, {})[operation.method] = operation

    def find(self, raw_path: bytes) -> tuple[Mapping[str, Operation], dict[str, str]] | None:
        """The operations at this path by method, and its variable parts, decoded; None if there are none."""
        try:
            parts = [unquote_to_bytes(part).decode() for part in raw_path.removeprefix(b"/").split(b"/")]
        except UnicodeDecodeError:
            return None
        for template, methods in self._templates.items():
            names = _match(template, parts)
            if names is not None:
                return methods, names
        return None


def _match(template: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    names: dict[str, str] = {}
    for expected, part in zip(template, parts, strict=True):
        if expected.startswith("{"):
            if not part or len(part) > 200:
                return None
            names[expected[1:-1]] = part
        elif expected != part:
            return None
    return names
