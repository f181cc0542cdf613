"""One request of an operator, and the results that a page can return for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from console.context import Context
from console.http.audited import Audited
from console.http.models import Listing
from console.http.problems import WrongField
from console.http.requests import InvalidFields, parse_model
from console.operations.export_rows import count_rows
from console.operations.read_endpoints import EndpointView, newest_endpoints
from console.operations.read_merchants import newest_merchant_names
from console.operations.wait_for_history import HistoryPage
from console.web.catalogue import Catalogue
from console.web.days import window
from console.web.forms import Form
from console.web.sessions import Session
from console.web.time_display import Clock
from history.export import What
from runtime.api_tokens import Caller

PAGE_SIZE = 50
"""Rows of a list on one page."""
MOST_ROWS = 200
"""The most rows of a list that an operator chooses from, or that is shown without pages."""

M = TypeVar("M", bound=BaseModel)
L = TypeVar("L", bound=Listing)


@dataclass(frozen=True, slots=True)
class View:
    """A page: its template and the template's values. `live` names the templates of its live parts. `named` has values
    that the audit may use besides those of the request. `retry_after`: seconds until it is worth trying again."""

    template: str
    values: Mapping[str, Any]
    status: int = 200
    live: tuple[str, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Leads to another page, with a notice there: a key of the catalogue and the values for it.

    ``session`` is the cookie of a session that begins; "" ends the session. ``device`` marks the browser;
    ``preferences`` are remembered. ``made`` is the id of the object that was made. ``unclear``: the action failed, but
    may have taken effect.
    """

    to: str
    notice: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    bad: bool = False
    session: str | None = field(default=None, repr=False)
    device: str = field(default="", repr=False)
    preferences: Mapping[str, str] = field(default_factory=dict)
    made: str | None = None
    unclear: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, its operator, and the language and clock for the answer. `asked` has the models that its query and
    form were validated as."""

    request: Request
    context: Context
    session: Session | None
    clock: Clock
    theme: str
    form: Form = field(default_factory=Form)
    asked: list[BaseModel] = field(default_factory=list, repr=False)

    @property
    def catalogue(self) -> Catalogue:
        """The words of the answer's language."""
        return self.clock.catalogue

    @property
    def caller(self) -> Caller:
        """The signed-in operator; only for pages that are not public."""
        if self.session is None:
            raise RuntimeError("a page that is not public was opened without a session")
        return self.session.caller

    @property
    def may_act(self) -> bool:
        """Whether the operator may change anything."""
        return self.session is not None and not self.session.caller.read_only

    @property
    def read_only(self) -> bool:
        """Whether the page is masked as for read-only tokens."""
        return not self.may_act

    def part(self, name: str) -> str:
        """A variable part of the path."""
        part: str = self.request.path_params[name]
        return part

    def query(self, name: str) -> str | None:
        """A parameter of the query without spaces around it; None if it is empty or missing."""
        return self.request.query_params.get(name, "").strip() or None

    def validated(self, model: type[M], fields: Mapping[str, Any]) -> M:
        """Fields as a model of the operator API. Raises `InvalidFields` with every wrong field."""
        errors: list[WrongField] = []
        value = parse_model(model, dict(fields), errors, self.context.settings)
        if errors:
            raise InvalidFields(errors)
        valid: M = value
        self.asked.append(valid)
        return valid

    def listing(self, model: type[L], *filters: str, size: int = PAGE_SIZE) -> L:
        """The part of a list that the address asks for, with these filters. Raises `InvalidFields`."""
        given = {name: value for name in (*filters, "cursor") if (value := self.query(name)) is not None}
        return self.validated(model, {**given, **self.window(), "limit": size})

    def window(self) -> dict[str, str]:
        """The window of the days in the address (`from`, `to`), as the operator API takes it. Raises
        `InvalidFields`."""
        return window(self.query("from"), self.query("to"), self.clock.zone)

    def listed(self, page: HistoryPage[Any], *filters: str) -> dict[str, Any]:
        """The values for the template of a list: the `rows`, the `next_cursor`, the `days`, the values `chosen` for
        these filters and the days, and whether this is a later page than the first (`paged`)."""
        days = {name: self.query(name) or "" for name in ("from", "to")}
        chosen = {name: self.query(name) or "" for name in filters} | days
        paged = self.query("cursor") is not None
        return {"rows": page.rows, "next_cursor": page.next_cursor, "chosen": chosen, "days": days, "paged": paged}

    async def count(self, what: What, query: Listing, merchant: str | None = None) -> int | None:
        """How many rows the chosen days have, of one merchant or all; None without chosen days, and for a live part."""
        has_days = query.since is not None or query.until is not None
        if not has_days or self.query("live") is not None:
            return None
        return await count_rows(self.context, what, query.since, query.until, merchant)

    async def merchants(self) -> list[str]:
        """The names of merchants, to choose from."""
        return await newest_merchant_names(self.context, MOST_ROWS)

    async def endpoints(self, merchant: str | None = None, most: int = MOST_ROWS) -> tuple[EndpointView, ...]:
        """Endpoints of one merchant or all, to choose from."""
        return await newest_endpoints(self.context, most, merchant, read_only=self.read_only)


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is streamed."""

    pieces: AsyncIterator[bytes] = field(repr=False)
    headers: Mapping[str, str]


PageResult = View | Redirect | Download


def urls_of(endpoints: Iterable[EndpointView]) -> dict[str, str]:
    """The URLs of endpoints by their ids, by which pages name endpoints."""
    return {row.endpoint.id: row.endpoint.url for row in endpoints}


@dataclass(frozen=True, slots=True)
class PageRoute:
    """The address of a page, and who may open it. `public`: also people who are not signed in. `for_readers`: also
    read-only operators, because the POST only changes what is shown. `audited` is what the audit says of it; None if it
    neither changes anything nor shows secrets or buyers' data."""

    path: str
    handler: Callable[[Visit], Awaitable[PageResult]]
    method: Literal["GET", "POST"] = "GET"
    public: bool = False
    for_readers: bool = False
    audited: Audited | None = None
