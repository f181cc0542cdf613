"""The registry of endpoints, with the health of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ledger import keys
from ledger.constants import DEFAULT_MERCHANT
from ledger.endpoint_rows import dump, dump_limits, load, load_health, subscription
from ledger.merchants import HEAD_START_MS
from ledger.pages import Page, PageRequest, walk
from ledger.rows import Row, hashes, members, seconds
from ledger.store import Store
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.health import breaker
from schemas.endpoints.replay_selection import Recipient, Selection, recipients
from schemas.errors import NotFound
from schemas.reasons import Reason, stored
from schemas.reasons import dump as dump_reason

State = Literal["enabled", "disabled", "deleted"]

_AT_ONCE = 1_000
"""Endpoints that one call of Redis reads."""


@dataclass(frozen=True, slots=True)
class RegisteredEndpoint:
    """An endpoint with its health. `success_rate` is of its attempts so far, None before the first; `disabled_at`
    in UNIX seconds, None while it is enabled."""

    endpoint: Endpoint
    state: State
    success_rate: float | None
    breaker: str
    failures: int
    last_error: Reason | None
    disabled_at: float | None


class Endpoints:
    """The registry of endpoints."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, endpoint: Endpoint) -> None:
        """Add an endpoint; its `created_at` becomes Redis' time. Raises `NotFound` if its merchant is unknown."""
        if endpoint.merchant == DEFAULT_MERCHANT:
            # Its credentials may be in the environment only: it takes webhooks before it is added.
            await self._store.run("ensure_merchant", endpoint.merchant, HEAD_START_MS)
        outcome = await self._store.run(
            "create_endpoint", endpoint.id, endpoint.merchant, dump(endpoint), subscription(endpoint),
            *dump_limits(endpoint), durable=True,
        )  # fmt: skip
        if outcome == b"unknown":
            raise NotFound(Reason.of("not_found", kind="merchant", id=endpoint.merchant))

    async def get(self, endpoint_id: str) -> RegisteredEndpoint:
        """The endpoint of this id, if it was not deleted. Raises `NotFound`."""
        registered = (await self.some([endpoint_id])).get(endpoint_id)
        if registered is None or registered.state == "deleted":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))
        return registered

    async def some(self, endpoint_ids: Sequence[str]) -> dict[str, RegisteredEndpoint]:
        """Those of these endpoints that the ledger knows, including deleted ones."""
        found = await hashes(self._store, [keys.ENDPOINT(endpoint_id) for endpoint_id in endpoint_ids])
        now = await self._store.now()
        return {name: load_registered(fields, now) for name, fields in zip(endpoint_ids, found, strict=True) if fields}

    async def list(self, part: PageRequest, merchant: str | None = None) -> Page[RegisteredEndpoint]:
        """Endpoints, newest first; of one merchant or of all."""
        page = await walk(self._store, [_index(merchant)], part=part)
        found = await self.some(page.rows)
        return Page(tuple(found[name] for name in page.rows if name in found), page.next_cursor)

    async def newest(self, most: int, merchant: str | None = None) -> Sequence[RegisteredEndpoint]:
        """The endpoints that were added last, of one merchant or of all, the newest first: at most `most`."""
        index = keys.ENDPOINTS() if merchant is None else keys.ENDPOINTS_OF_MERCHANT(merchant)
        names = (await members(self._store, index))[::-1][:most]
        found: dict[str, RegisteredEndpoint] = {}
        for start in range(0, len(names), _AT_ONCE):
            found |= await self.some(names[start : start + _AT_ONCE])
        return [found[name] for name in names if name in found]

    async def states(self) -> dict[str, State]:
        """The state of every endpoint, by id, also of those that were deleted and have deliveries left."""
        ids = await members(self._store, keys.ENDPOINTS()) + await members(self._store, keys.DELETED_ENDPOINTS())
        found = await hashes(self._store, [keys.ENDPOINT(endpoint_id) for endpoint_id in ids], "state")
        return {name: _state(fields) for name, fields in zip(ids, found, strict=True) if fields}

    async def recipients(self, selection: Selection) -> tuple[Recipient, ...]:
        """The endpoints that a replay sends something to, and which types of events each gets."""
        if selection.endpoint is not None:
            ids = [selection.endpoint]
        else:
            ids = await members(self._store, _index(selection.merchant))
        found = [one.endpoint for one in (await self.some(ids)).values() if one.state != "deleted"]
        merchants = list({one.merchant for one in found})
        rows = await hashes(self._store, [keys.MERCHANT(name) for name in merchants], "include_sandbox")
        including = {name for name, row in zip(merchants, rows, strict=True) if row.get("include_sandbox") == b"1"}
        return recipients(selection, found, including)

    async def update(self, endpoint_id: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Apply `change` to an endpoint, store and return it. `change` may raise, and is called again if
        the endpoint was changed meanwhile. With another URL or other headers it starts afresh. Raises `NotFound`."""
        while True:
            fields = (await hashes(self._store, [keys.ENDPOINT(endpoint_id)]))[0]
            if not fields or _state(fields) == "deleted":
                raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))
            before = load(fields)
            changed = change(before)
            moved = (before.url, before.headers) != (changed.url, changed.headers)
            outcome = await self._store.run(
                "update_endpoint", endpoint_id, fields["row"], dump(changed), subscription(changed),
                *dump_limits(changed), int(moved), durable=True,
            )  # fmt: skip
            if outcome == b"updated":
                break
        if moved:
            await self._wake(endpoint_id)
        if before.ordered and not changed.ordered:
            await self._release(endpoint_id)
        return changed

    async def _release(self, endpoint_id: str) -> None:
        """Make deliveries due that wait for an earlier event of their payment; if interrupted, the rest waits on."""
        cursor = b"0"
        while True:
            cursor = await self._store.run_and_kick("release_deliveries", endpoint_id, cursor)
            if cursor == b"0":
                return

    async def _wake(self, endpoint_id: str) -> None:
        """Make every delivery due at once; if interrupted, the rest keeps waiting."""
        while await self._store.run_and_kick("wake_deliveries", endpoint_id, 1000):
            pass

    async def enable(self, endpoint_id: str) -> None:
        """Release what was held for an endpoint; it starts afresh. Raises `NotFound`."""
        if await self._store.run_and_kick("enable_endpoint", endpoint_id, durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))
        await self._wake(endpoint_id)

    async def disable(self, endpoint_id: str, reason: Reason) -> None:
        """Hold an endpoint's deliveries from now on, for `reason`. Raises `NotFound`."""
        if await self._store.run("disable_endpoint", endpoint_id, dump_reason(reason), durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))

    async def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint and discard its unsettled deliveries. Raises `NotFound`.

        A deletion that was interrupted is finished by asking for it again.
        """
        outcome = await self._store.run("delete_endpoint", endpoint_id, durable=True)
        while await self._store.run("discard_deliveries", endpoint_id) if outcome != b"unknown" else 0:
            pass
        if outcome != b"deleted":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))


def _index(merchant: str | None) -> str:
    return keys.ENDPOINTS() if merchant is None else keys.ENDPOINTS_OF_MERCHANT(merchant)


def _state(row: Row) -> State:
    state = row.get("state")
    return "enabled" if state == b"enabled" else "deleted" if state == b"deleted" else "disabled"


def load_registered(row: Row, now: float) -> RegisteredEndpoint:
    """The endpoint of a hash `endpoint:ep`, with its health at `now`, UNIX seconds."""
    delivered, failed = int(row.get("ok_count", b"0")), int(row.get("fail_count", b"0"))
    health = load_health(row.get("health"))
    return RegisteredEndpoint(
        endpoint=load(row),
        state=_state(row),
        success_rate=round(delivered / (delivered + failed), 4) if delivered + failed else None,
        breaker=breaker(health, now),
        failures=health.failures,
        last_error=stored(row.get("last_error")),
        disabled_at=None if _state(row) == "enabled" else seconds(row, "disabled_at"),
    )
