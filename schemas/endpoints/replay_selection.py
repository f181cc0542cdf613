"""Which events a replay sends again, and to whom."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal

from schemas.endpoints.endpoint import EVENT_TYPES, EVERYTHING, Endpoint, wants

Only = Literal["undelivered", "dead", "all"]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to send again, and to whom. Times are UNIX seconds; empty `types` mean all. Without `endpoint`, an event
    goes to every endpoint of its merchant that subscribes to it now.

    `undelivered` means every event that the endpoint never got. A pending delivery is never replayed.
    """

    endpoint: str | None = None
    merchant: str | None = None
    types: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    only: Only = "undelivered"
    include_silent: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """An endpoint that gets its merchant's events of these types; those of test channels only if `include_sandbox`."""

    endpoint: str
    merchant: str
    types: tuple[str, ...]
    include_sandbox: bool = True


@dataclass(frozen=True, slots=True)
class Selected:
    """An event that is to be sent (again) to an endpoint; `at` is the event's place in the walk through history."""

    event: str
    endpoint: str
    merchant: str
    imp_uid: str
    type: str
    sequence: int
    at: tuple[int, int]


def recipients(
    selection: Selection, endpoints: Iterable[Endpoint], with_sandbox: Container[str]
) -> tuple[Recipient, ...]:
    """The endpoints that a replay sends something to. `with_sandbox` are the merchants that include payments of test
    channels."""
    chosen = selection.types or (EVERYTHING,)
    asked = [name for name in EVENT_TYPES if wants(chosen, name)]
    found = (
        Recipient(
            one.id, one.merchant, tuple(name for name in asked if wants(one.types, name)), one.merchant in with_sandbox
        )
        for one in endpoints
        if selection.endpoint in (None, one.id) and selection.merchant in (None, one.merchant)
    )
    return tuple(one for one in found if one.types)
