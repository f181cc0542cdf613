"""One cell of the ledger, or what all cells share: it runs scripts by name and raises every error as
`LedgerUnavailable`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ledger.keys import SHARED_PREFIX, address, cell_prefix
from ledger.scripting import Argument, Call, Scripting, raised, returned


class Store:
    """The scripts on the keys of one cell; ``cell`` is its number, None for what all cells share. ``kick`` sends a kick
    to each of these addresses, in the background."""

    def __init__(self, scripting: Scripting, kick: Callable[[Iterable[str]], None], cell: int | None = None) -> None:
        self.cell = cell
        self.prefix = SHARED_PREFIX if cell is None else cell_prefix(cell)
        self.scripting = scripting
        self._kick = kick

    async def run(self, name: str, *args: Argument, durable: bool = False) -> Any:
        """Run a script; return its result. A ``durable`` call counts only once the required number of replicas has it.

        Raises `LedgerUnavailable`.
        """
        return (await self.run_all(name, [args], durable=durable))[0]

    async def run_all(self, name: str, calls: Sequence[Sequence[Argument]], *, durable: bool = False) -> list[Any]:
        """What a script returns for each of several calls, in one round trip. Raises `LedgerUnavailable`."""
        return raised(await self.scripting.run([Call(self.prefix, name, args) for args in calls], durable=durable))

    async def run_and_kick(self, name: str, *args: Argument, durable: bool = False) -> Any:
        """Run a script that returns ``{lanes to kick, answer}``; kick these lanes, and return the answer (None if the
        script has none). Raises `LedgerUnavailable`."""
        return (await self.run_all_and_kick(name, [args], durable=durable))[0]

    async def run_all_and_kick(
        self, name: str, calls: Sequence[Sequence[Argument]], *, durable: bool = False
    ) -> list[Any]:
        """The same for each of several calls, in one round trip. Raises `LedgerUnavailable`."""
        answers = await self.scripting.run([Call(self.prefix, name, args) for args in calls], durable=durable)
        return raised(list(map(self.kicked, answers)))

    def kicked(self, answer: Any) -> Any:
        """Kick the lanes of an answer ``{lanes to kick, answer}``, and return the answer in it. Return an error as it
        is."""
        # Even if replicas are missing, the script has recorded these lanes as kicked.
        found = returned(answer)
        if isinstance(found, Exception):
            return found
        lanes, *rest = found
        self.kick(lane.decode() for lane in lanes)
        if isinstance(answer, Exception):
            return answer
        return rest[0] if rest else None

    def kick(self, lanes: Iterable[str]) -> None:
        """Kick lanes of this cell; returns at once."""
        self._kick([address(self.cell or 0, lane) for lane in lanes])

    async def ask(self, *command: str) -> Any:
        """Send one Redis command to where this cell is; return the answer. Raises `LedgerUnavailable`."""
        (answer,) = raised(await self.scripting.ask([(self.prefix, command)]))
        return answer

    async def now(self) -> float:
        """Redis' time in UNIX seconds. Raises `LedgerUnavailable`."""
        return int(await self.run("read_time")) / 1000
