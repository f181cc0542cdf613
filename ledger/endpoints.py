"""The registry of endpoints, with the health of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger import keys
from ledger.cells import Cells
from ledger.endpoint_rows import dump, dump_limits, load, load_health, subscription
from ledger.merchants import HEAD_START_MS
from ledger.rows import Row, hashes, members, members_of_all, newest, newest_of_all, paired, seconds
from ledger.scripting import Argument
from ledger.store import Store
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.health import breaker
from schemas.endpoints.replay_selection import Recipient, Selection, recipients
from schemas.endpoints.states import EndpointState
from schemas.errors import NotFound
from schemas.reasons import Reason, stored
from schemas.reasons import dump as dump_reason
from schemas.webhook_address import DEFAULT_MERCHANT

_AT_ONCE = 1_000
"""Most endpoints that one call to Redis reads."""


@dataclass(frozen=True, slots=True)
class RegisteredEndpoint:
    """An endpoint with its health. `success_rate` is of its attempts so far, None before the first; `disabled_at`
    in UNIX seconds, None while it is enabled."""

    endpoint: Endpoint
    state: EndpointState
    success_rate: float | None
    breaker: str
    failures: int
    last_error: Reason | None
    disabled_at: float | None


class EndpointCounts(NamedTuple):
    """How many endpoints are enabled and fail, and how many are disabled."""

    failing: int
    disabled: int


class Endpoints:
    """The registry of endpoints."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def create(self, endpoint: Endpoint) -> None:
        """Add an endpoint; its `created_at` becomes Redis' time. Raises `NotFound` if its merchant is unknown."""
        store = self._cells.of(endpoint.merchant)
        if endpoint.merchant == DEFAULT_MERCHANT:
            # Its credentials may be only in the environment, so it takes webhooks before it is added.
            await store.run("ensure_merchant", endpoint.merchant, HEAD_START_MS)
        outcome = await store.run(
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
        now = await self._cells.shared.now()
        rows = await self._rows(endpoint_ids)
        return {name: load_registered(rows[name], now) for name in endpoint_ids if rows.get(name)}

    async def newest(self, most: int, merchant: str | None = None) -> Sequence[RegisteredEndpoint]:
        """The endpoints that were added last, of one merchant or of all, the newest first: at most `most`."""
        if merchant is None:
            names = await newest_of_all(self._cells, keys.ENDPOINTS(), most)
        else:
            names = await newest(self._cells.of(merchant), keys.ENDPOINTS_OF_MERCHANT(merchant), most)
        found: dict[str, RegisteredEndpoint] = {}
        for start in range(0, len(names), _AT_ONCE):
            found |= await self.some(names[start : start + _AT_ONCE])
        return [found[name] for name in names if name in found]

    async def counts(self) -> EndpointCounts:
        """How many of all endpoints fail or are disabled. Only the fields that show it are read."""
        now, failing, disabled = await self._cells.shared.now(), 0, 0
        found = await self._cells.each("read_members", keys.ENDPOINTS())
        for store, ids in zip(self._cells, found, strict=True):
            names = [keys.ENDPOINT(name.decode()) for name in ids]
            for start in range(0, len(names), _AT_ONCE):
                rows = await hashes(store, names[start : start + _AT_ONCE], "state", "health")
                disabled += sum(_state(row) == "disabled" for row in rows if row)
                health = (load_health(row.get("health")) for row in rows if _state(row) == "enabled")
                failing += sum(breaker(one, now) != "closed" for one in health)
        return EndpointCounts(failing, disabled)

    async def states(self) -> dict[str, EndpointState]:
        """The state of every endpoint, by id, including deleted ones that have deliveries left."""
        ids = await members_of_all(self._cells, keys.ENDPOINTS())
        ids += await members_of_all(self._cells, keys.DELETED_ENDPOINTS())
        return {name: _state(fields) for name, fields in (await self._rows(ids, "state")).items() if fields}

    async def recipients(self, selection: Selection) -> dict[int, tuple[Recipient, ...]]:
        """The endpoints that a replay sends to, with the types of events that each gets, by cell."""
        if selection.endpoint is not None:
            cells = await self._cells.of_endpoints([selection.endpoint])
            stores = list(cells.values())
        else:
            stores = list(self._cells) if selection.merchant is None else [self._cells.of(selection.merchant)]
        found = {store.cell or 0: await self.recipients_in(store.cell or 0, selection) for store in stores}
        return {cell: some for cell, some in found.items() if some}

    async def recipients_in(self, cell: int, selection: Selection) -> tuple[Recipient, ...]:
        """The recipients in one cell."""
        store = self._cells[cell]
        if selection.endpoint is not None:
            ids = [selection.endpoint]
        else:
            ids = await members(store, _index(selection.merchant))
        rows = await hashes(store, [keys.ENDPOINT(endpoint_id) for endpoint_id in ids])
        found = [load(row) for row in rows if row and _state(row) != "deleted"]
        merchants = list({one.merchant for one in found})
        switches = await hashes(store, [keys.MERCHANT(name) for name in merchants], "include_sandbox")
        including = {name for name, row in zip(merchants, switches, strict=True) if row.get("include_sandbox") == b"1"}
        return recipients(selection, found, including)

    async def update(self, endpoint_id: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Apply `change` to an endpoint, store and return it. `change` may raise, and is called again if
        the endpoint was changed meanwhile. With another URL or other headers it starts afresh. Raises `NotFound`."""
        store = await self._of(endpoint_id)
        while True:
            fields = (await hashes(store, [keys.ENDPOINT(endpoint_id)]))[0]
            if not fields or _state(fields) == "deleted":
                raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))
            before = load(fields)
            changed = change(before)
            moved = (before.url, before.headers) != (changed.url, changed.headers)
            outcome = await store.run(
                "update_endpoint", endpoint_id, fields["row"], dump(changed), subscription(changed),
                *dump_limits(changed), int(moved), durable=True,
            )  # fmt: skip
            if outcome == b"updated":
                break
        if moved:
            await _wake(store, endpoint_id)
        if before.ordered and not changed.ordered:
            await _release(store, endpoint_id)
        return changed

    async def enable(self, endpoint_id: str) -> None:
        """Enable an endpoint, so that its held deliveries are sent; it starts afresh. Raises `NotFound`."""
        store = await self._of(endpoint_id)
        if await store.run_and_kick("enable_endpoint", endpoint_id, durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))
        await _wake(store, endpoint_id)

    async def disable(self, endpoint_id: str, reason: Reason) -> None:
        """Hold an endpoint's deliveries from now on, for `reason`. Raises `NotFound`."""
        store = await self._of(endpoint_id)
        if await store.run("disable_endpoint", endpoint_id, dump_reason(reason), durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))

    async def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint and discard its unsettled deliveries. Raises `NotFound`.

        A deletion that was interrupted is finished by asking for it again.
        """
        store = await self._of(endpoint_id)
        outcome = await store.run("delete_endpoint", endpoint_id, durable=True)
        while await store.run("discard_deliveries", endpoint_id) if outcome != b"unknown" else 0:
            pass
        if outcome != b"deleted":
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))

    async def _of(self, endpoint_id: str) -> Store:
        """The cell of an endpoint. Raises `NotFound`."""
        store = await self._cells.of_endpoint(endpoint_id)
        if store is None:
            raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint_id))
        return store

    async def _rows(self, endpoint_ids: Sequence[str], *fields: str) -> dict[str, Row]:
        """The hashes of these endpoints, without those that the ledger does not know; one round trip if their cells are
        known."""
        cells = await self._cells.of_endpoints(endpoint_ids)
        there = list(cells)

        def pack(some: Sequence[str]) -> list[Argument]:
            return [len(fields), *fields, *(keys.ENDPOINT(name) for name in some)]

        rows = await self._cells.read_each("read_hashes", there, cells.__getitem__, pack)
        return {name: paired(row) for name, row in zip(there, rows, strict=True)}


async def _release(store: Store, endpoint_id: str) -> None:
    """Make deliveries due that wait for an earlier event of their payment; if interrupted, the rest keeps waiting."""
    cursor = b"0"
    while True:
        cursor = await store.run_and_kick("release_deliveries", endpoint_id, cursor)
        if cursor == b"0":
            return


async def _wake(store: Store, endpoint_id: str) -> None:
    """Make every delivery due at once; if interrupted, the rest keeps waiting."""
    while await store.run_and_kick("wake_deliveries", endpoint_id, 1000):
        pass


def _index(merchant: str | None) -> str:
    return keys.ENDPOINTS() if merchant is None else keys.ENDPOINTS_OF_MERCHANT(merchant)


def _state(row: Row) -> EndpointState:
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
