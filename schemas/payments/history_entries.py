"""The two histories of a payment, deposits and cancellations: each entry under the key of its fact."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import TypeVar

from schemas.payments.facts import plain
from schemas.payments.snapshot import ZERO, Cancellation, Deposit, Snapshot

_Row = TypeVar("_Row", Deposit, Cancellation)


def keyed_deposits(snapshot: Snapshot) -> list[tuple[str, Deposit]]:
    """Each deposit, oldest first, as ``deposited:{pg_tid}``; without one by time and amount."""
    if not snapshot.deposits:
        return []
    rows = _oldest_first(snapshot.deposits)
    names = _names((row.pg_tid or f"{row.at}:{plain(row.amount)}") for row in rows)
    return [(f"deposited:{name}", row) for name, row in zip(names, rows, strict=True)]


def keyed_cancellations(snapshot: Snapshot) -> list[tuple[str, Cancellation]]:
    """Each cancellation, oldest first, as ``cancelled:{cancellation_id}``, else by ``pg_tid``, else by time and amount.

    An id names one cancellation, however often it is listed.
    """
    if not snapshot.cancellations:
        return []
    rows = list({row.cancellation_id or place: row for place, row in enumerate(snapshot.cancellations)}.values())
    rows = _oldest_first(rows)
    names = _names((row.cancellation_id or row.pg_tid or f"{row.at}:{plain(row.amount)}") for row in rows)
    return [(f"cancelled:{name}", row) for name, row in zip(names, rows, strict=True)]


class Totals:
    """What can be cancelled of a payment: its amount or, of an unlimited account, what had come in."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        rows = sorted(snapshot.deposits, key=lambda row: row.at)
        self._times = [row.at for row in rows]
        self._sums = list(accumulate((row.amount for row in rows), initial=ZERO))
        self.all = max(snapshot.amount, self._sums[-1])

    def until(self, at: int) -> Decimal:
        """What could be cancelled at ``at``, in UNIX seconds."""
        return max(self._snapshot.amount, self._sums[bisect_right(self._times, at)])

    def left(self, cancelled: Decimal) -> Decimal:
        """What could still be cancelled after ``cancelled``, in the currency's major unit.

        A promotion's discount was never paid: where i'mport says `cancelled` without it, nothing is left.
        """
        if self._snapshot.status == "cancelled" and cancelled >= self.all - self._snapshot.discount:
            return ZERO
        return max(self.all - cancelled, ZERO)


def left(snapshot: Snapshot, cancelled: Decimal) -> Decimal:
    """What could still be cancelled of a payment after ``cancelled``, see `Totals.left`."""
    return Totals(snapshot).left(cancelled)


def _oldest_first(rows: Sequence[_Row]) -> list[_Row]:
    """By time; of one second in the order of the list, which grows at one of its ends, so that names stay."""
    grows_in_front = bool(rows) and rows[0].at > rows[-1].at
    return sorted(reversed(rows) if grows_in_front else rows, key=lambda row: row.at)


def _names(bases: Iterable[str]) -> list[str]:
    """Each base as it is, and which of equals from the second on: ``a``, ``a#2``."""
    seen: Counter[str] = Counter()
    names = []
    for base in bases:
        seen[base] += 1
        names.append(base if seen[base] == 1 else f"{base}#{seen[base]}")
    return names
