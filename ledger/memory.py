"""Memory pressure: while Redis is nearly full, nothing new is claimed until an operator frees memory."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.cells import Cells
from ledger.constants import NEARLY_FULL
from ledger.scripting import raised
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Memory:
    """`used` bytes of `most` (0 if Redis has no limit). `nearly_full`: nothing new is claimed."""

    used: int
    most: int
    nearly_full: bool

    @property
    def ratio(self) -> float | None:
        """The share that is in use; None without a limit."""
        return round(self.used / self.most, 4) if self.most else None

    @property
    def trouble(self) -> Reason | None:
        """Why nothing new is claimed; None unless Redis is nearly full."""
        if not self.nearly_full:
            return None
        return Reason.of("memory_nearly_full", percent=100 * self.used // self.most, limit=round(100 * NEARLY_FULL))


async def memory(cells: Cells) -> Memory:
    """How full Redis is now; of several nodes, the fullest. A full Redis answers, too. Raises `LedgerUnavailable`."""
    calls = dict.fromkeys(await cells.servers(), ())
    found = raised(list((await cells.some("read_memory", calls)).values()))
    return max((Memory(int(used), int(most), bool(full)) for used, most, full in found), key=_fullness)


async def is_nearly_full(cells: Cells) -> bool:
    """Whether any node that answers is nearly full. Raises `LedgerUnavailable`."""
    calls = dict.fromkeys(await cells.servers(), ())
    answers = (await cells.some("read_memory", calls)).values()
    return any(answer[2] for answer in answers if not isinstance(answer, Exception))


def _fullness(one: Memory) -> tuple[bool, float, int]:
    return one.nearly_full, one.ratio or 0.0, one.used
