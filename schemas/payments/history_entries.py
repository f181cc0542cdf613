"""The two histories of a payment, deposits and cancellations: each entry under the key of its fact."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import TypeVar

from schemas.payments.facts import plain
from schemas.payments.snapshot import ZERO, CancellationEntry, DepositEntry, Snapshot

_Row = TypeVar("_Row", DepositEntry, CancellationEntry)


def keyed_deposits(snapshot: Snapshot) -> list[tuple[str, DepositEntry]]:
    """Each deposit, oldest first, as ``deposited:{pg_tid}``; without a ``pg_tid``, by time and amount."""
    if not snapshot.deposits:
        return []
    rows = _oldest_first(snapshot.deposits)
    names = _names((row.pg_tid or f"{row.at}:{plain(row.amount)}") for row in rows)
    return [(f"deposited:{name}", row) for name, row in zip(names, rows, strict=True)]


def keyed_cancellations(snapshot: Snapshot) -> list[tuple[str, CancellationEntry]]:
    """Each cancellation, oldest first, as ``cancelled:{cancellation_id}``, else by ``pg_tid``, else by time and amount.

    An id names one cancellation, however often it is listed.
    """
    if not snapshot.cancellations:
        return []
    rows = list({row.cancellation_id or place: row for place, row in enumerate(snapshot.cancellations)}.values())
    rows = _oldest_first(rows)
    names = _names((row.cancellation_id or row.pg_tid or f"{row.at}:{plain(row.amount)}") for row in rows)
    return [(f"cancelled:{name}", row) for name, row in zip(names, rows, strict=True)]


class CancellableTotals:
    """What can be cancelled of a payment: its amount or, if more was deposited (unlimited accounts), the deposits."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        rows = sorted(snapshot.deposits, key=lambda row: row.at)
        self._times = [row.at for row in rows]
        self._sums = list(accumulate((row.amount for row in rows), initial=ZERO))
        self.all = max(snapshot.amount, self._sums[-1])

    def until(self, at: int) -> Decimal:
        """What could be cancelled at ``at`` (UNIX seconds)."""
        return max(self._snapshot.amount, self._sums[bisect_right(self._times, at)])

    def uncancelled(self, cancelled: Decimal) -> Decimal:
        """What can still be cancelled after ``cancelled``, in the currency's major unit.

        A promotion's discount was never paid: if i'mport says `cancelled` and only the discount is missing, nothing is
        left.
        """
        if self._snapshot.status == "cancelled" and cancelled >= self.all - self._snapshot.discount:
            return ZERO
        return max(self.all - cancelled, ZERO)


def uncancelled(snapshot: Snapshot, cancelled: Decimal) -> Decimal:
    """What can still be cancelled of a payment after ``cancelled``, see `CancellableTotals.uncancelled`."""
    return CancellableTotals(snapshot).uncancelled(cancelled)


def _oldest_first(rows: Sequence[_Row]) -> list[_Row]:
    """By time. Entries of the same second keep the order in which the list grows, so that their keys never change."""
    grows_in_front = bool(rows) and rows[0].at > rows[-1].at
    return sorted(reversed(rows) if grows_in_front else rows, key=lambda row: row.at)


def _names(bases: Iterable[str]) -> list[str]:
    """The bases made unique: ``a``, the second of the same ``a#2``."""
    seen: Counter[str] = Counter()
    names = []
    for base in bases:
        seen[base] += 1
        names.append(base if seen[base] == 1 else f"{base}#{seen[base]}")
    return names
