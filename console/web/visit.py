"""One request of an operator, and what a page makes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request

from console.http.tokens import Caller
from console.web.asking import Desk
from console.web.catalogue import Catalogue
from console.web.forms import Form
from console.web.sessions import Session
from console.web.time_display import Clock

PAGE_SIZE = 50
"""Rows of a list on one page."""


@dataclass(frozen=True, slots=True)
class View:
    """A page: its template and what that shows. `live` names the templates of parts that go on changing."""

    template: str
    values: Mapping[str, Any]
    status: int = 200
    live: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Go:
    """Somewhere else, with a notice there: a key of the catalogue and what is filled in.

    ``session`` is the cookie of one that begins, "" ends it; ``preferences`` are remembered.
    """

    to: str
    notice: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    bad: bool = False
    session: str | None = field(default=None, repr=False)
    preferences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, who makes it, and in which words and times it is answered."""

    request: Request
    desk: Desk
    session: Session | None
    clock: Clock
    theme: str
    form: Form = field(default_factory=Form)

    @property
    def tongue(self) -> Catalogue:
        """The words it is answered in."""
        return self.clock.tongue

    @property
    def caller(self) -> Caller:
        """Who is signed in; only for pages that ask for it."""
        if self.session is None:
            raise RuntimeError("a page that is not public was shown to nobody")
        return self.session.caller

    @property
    def may_act(self) -> bool:
        """Whether there is more to it than looking."""
        return self.session is not None and not self.session.caller.read_only

    def part(self, name: str) -> str:
        """A variable part of the path."""
        part: str = self.request.path_params[name]
        return part

    def query(self, name: str) -> str | None:
        """A parameter of the query without spaces around it; None where it is empty or not given."""
        return self.request.query_params.get(name, "").strip() or None

    async def listed(self, path: str, *filters: str, size: int = PAGE_SIZE) -> dict[str, Any]:
        """The page of a list of the operator API that the address chooses: its `rows` and `next_cursor`, the values
        `chosen` for these filters, and whether it is `paged`, not the first."""
        chosen = {name: self.query(name) or "" for name in filters}
        cursor = self.query("cursor")
        reply = await self.desk.ask("GET", path, query={**chosen, "cursor": cursor, "limit": size})
        rows, next_cursor = reply.value["data"], reply.value["next_cursor"]
        return {"rows": rows, "next_cursor": next_cursor, "chosen": chosen, "paged": cursor is not None}


Outcome = View | Go


@dataclass(frozen=True, slots=True)
class PageRoute:
    """Where a page is, and who may open it: `public` for people who are not signed in, `for_readers` for a POST that
    changes nothing but what is shown."""

    path: str
    handler: Callable[[Visit], Awaitable[Outcome]]
    method: Literal["GET", "POST"] = "GET"
    public: bool = False
    for_readers: bool = False
