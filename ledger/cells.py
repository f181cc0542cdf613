"""The cells that merchants are spread over, and what all of them share.

A cell is a ledger of its own: all that belongs to a merchant is in the merchant's cell, and nothing atomic spans two.
Questions about all merchants go to every cell, in one round trip, and the answers are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeVar

from ledger.keys import ENDPOINT, Key, cell_of
from ledger.scripting import Argument, Call, Scripting, raised, returned
from ledger.servers import Servers
from ledger.store import Store

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_MOST_KNOWN = 100_000
"""Of how many endpoints the cell is remembered."""


class Cells:
    """All stores of a ledger. ``kick`` sends kicks in the background."""

    def __init__(
        self, servers: Servers, kick: Callable[[Iterable[str]], None], *, cells: int = 1, replica_acks: int = 0
    ) -> None:
        self.scripting = Scripting(servers, replica_acks=replica_acks)
        self.shared = Store(self.scripting, kick)
        self.all = tuple(Store(self.scripting, kick, cell) for cell in range(cells))
        self._of_endpoint: dict[str, Store] = {}

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Store]:
        return iter(self.all)

    def __getitem__(self, cell: int) -> Store:
        return self.all[cell]

    def of(self, merchant: str) -> Store:
        """The cell of a merchant."""
        return self.all[self.number(merchant)]

    def number(self, merchant: str) -> int:
        """The number of a merchant's cell."""
        return cell_of(merchant, len(self.all))

    async def each(self, name: str, *args: Argument, durable: bool = False) -> list[Any]:
        """What a script returns in every cell. Raises `LedgerUnavailable` if any of them is unavailable."""
        return raised(await self.scripting.run([Call(store.prefix, name, args) for store in self], durable=durable))

    async def run(self, name: str, calls: Sequence[tuple[Store, Sequence[Argument]]]) -> list[Any]:
        """What a script answers to each of several calls, or the `LedgerUnavailable` that it failed with; in one round
        trip."""
        return await self.scripting.run([Call(store.prefix, name, args) for store, args in calls])

    async def run_and_kick(self, name: str, calls: Sequence[tuple[Store, Sequence[Argument]]]) -> list[Any]:
        """The same for a script that returns ``{lanes to kick, answer}``."""
        found = await self.run(name, calls)
        return [store.kicked(answer) for (store, _), answer in zip(calls, found, strict=True)]

    async def some(
        self, name: str, calls: Mapping[Store, Sequence[Argument]], *, durable: bool = False, kick: bool = False
    ) -> dict[Store, Any]:
        """What a script returns in each of these cells, or the `LedgerUnavailable` that it failed with; in one round
        trip. With ``kick`` it returns ``{lanes to kick, answer}``, as for `Store.run_and_kick`."""
        found = await self.scripting.run(
            [Call(store.prefix, name, args) for store, args in calls.items()], durable=durable
        )
        answers = zip(calls, found, strict=True)
        return {store: store.kicked(answer) if kick else answer for store, answer in answers}

    async def spread(
        self,
        name: str,
        items: Sequence[T],
        cell: Callable[[T], Store],
        pack: Callable[[Sequence[T]], Sequence[Argument]],
        *,
        durable: bool = False,
        read: Callable[[Store, Any], Any] = lambda _, answer: answer,
        ran: Callable[[Store, Any], None] | None = None,
    ) -> list[Any]:
        """Run a script once in each cell that has some of these items; it returns ``{lanes to kick, answers}``. Returns
        the answer to each item, or the `LedgerUnavailable` that its cell failed with; in one round trip.

        ``pack`` turns the items of a cell into the script's arguments. ``read`` turns what the script returns into a
        list with one answer for each item, or into one answer for all of them. ``ran`` is called with what it returns
        in each cell, even if too few replicas have what it wrote.
        """
        calls = {store: pack(some) for store, some in by(items, cell).items()}
        found = await self.some(name, calls, durable=durable)
        answers = {store: _read(read, store, store.kicked(answer)) for store, answer in found.items()}
        if ran is not None:
            for store, answer in found.items():
                if not isinstance(script_returned := returned(answer), Exception):
                    ran(store, script_returned[1])
        return _in_order(items, cell, answers)

    async def read_each(
        self,
        name: str,
        items: Sequence[T],
        cell: Callable[[T], Store],
        pack: Callable[[Sequence[T]], Sequence[Argument]],
    ) -> list[Any]:
        """The same for a script that returns only the answers. Raises `LedgerUnavailable`."""
        calls = {store: pack(some) for store, some in by(items, cell).items()}
        return raised(_in_order(items, cell, await self.some(name, calls)))

    def learn(self, endpoint: str, cell: int) -> None:
        """Remember the cell of an endpoint."""
        self._of_endpoint[endpoint] = self[cell]

    async def of_endpoint(self, endpoint: str) -> Store | None:
        """The cell that has an endpoint, even a deleted one; None if no cell has it. Raises `LedgerUnavailable`."""
        return (await self.of_endpoints([endpoint])).get(endpoint)

    async def of_endpoints(self, endpoints: Iterable[str]) -> dict[str, Store]:
        """The cells of those of these endpoints that exist. An endpoint never leaves its merchant's cell."""
        wanted = list(dict.fromkeys(endpoints))
        unknown = [endpoint for endpoint in wanted if endpoint not in self._of_endpoint]
        if unknown:
            if len(self._of_endpoint) + len(unknown) > _MOST_KNOWN:
                self._of_endpoint.clear()
            self._of_endpoint |= await self.holding(unknown, ENDPOINT)
        return {name: self._of_endpoint[name] for name in wanted if name in self._of_endpoint}

    async def values(self, key: Key, cells: Iterable[int]) -> dict[int, bytes | None]:
        """The value that a key has in each of these cells; one command to each server. Raises `LedgerUnavailable`."""
        wanted = list(cells)
        prefixes = [self[cell].prefix for cell in wanted]
        groups = await self.scripting.together(prefixes)
        calls = [(prefixes[group[0]], ("MGET", *(prefixes[place] + key() for place in group))) for group in groups]
        answers = zip(groups, raised(await self.scripting.ask(calls)), strict=True)
        return {wanted[place]: value for group, found in answers for place, value in zip(group, found, strict=True)}

    async def holding(self, names: Sequence[str], key: Key) -> dict[str, Store]:
        """The cells that have these keys; each key is in one cell at most. Raises `LedgerUnavailable`."""
        found: dict[str, Store] = {}
        if not names:
            return found
        for store, absent in zip(self, await self.each("read_missing", *(key(name) for name in names)), strict=True):
            found |= {name: store for name, is_absent in zip(names, absent, strict=True) if not is_absent}
        return found

    async def of_event(self, event: str) -> Store | None:
        """The cell that has an event; None if no cell has it. Raises `LedgerUnavailable`."""
        found = zip(self, await self.each("has_event", event), strict=True)
        return next((store for store, has_it in found if has_it), None)

    async def servers(self) -> list[Store]:
        """A store on each server that has some of the ledger. Raises `LedgerUnavailable`."""
        stores = [self.shared, *self]
        return [stores[place] for place in await self.scripting.nodes([store.prefix for store in stores])]

    async def close(self) -> None:
        """Close the connections."""
        await self.scripting.close()


def by(items: Iterable[T], group: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by their group, in their order."""
    found: dict[K, list[T]] = {}
    for item in items:
        found.setdefault(group(item), []).append(item)
    return found


def _read(read: Callable[[Store, Any], Any], store: Store, answer: Any) -> Any:
    return answer if isinstance(answer, Exception) else read(store, answer)


def _in_order(items: Sequence[T], cell: Callable[[T], Store], answers: Mapping[Store, Any]) -> list[Any]:
    """The answer to each item: the next one in its cell's list, or its cell's only answer."""
    each = {store: iter(found) if isinstance(found, list) else repeat(found) for store, found in answers.items()}
    return [next(each[cell(item)]) for item in items]
