"""The work of `relay restore`: puts a lost ledger back from history, or begins a new ledger beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from cli.damaged import Damaged, Row, name_of, put_sound_ones
from history import History
from ledger import Ledger
from ledger.outbox import Outbox
from runtime.encryption import Sealer
from schemas.errors import BadSetting, Conflict, Unreadable
from schemas.outbox.entries import Endpoint, Merchant, Order, Payment, Reconciliation, Replay
from schemas.outbox.packed_row import unpack_row
from schemas.reasons import Reason

T = TypeVar("T")
R = TypeVar("R", bound=Row)

BATCH = 50
"""The number of payments that are read and put back together."""
HEAD_START = 3600.0
"""The comparison begins this many seconds before history's last entry: i'mport may show a change a while later."""


@dataclass(slots=True)
class Restored:
    """How much was put back. `damaged` rows of history were not. `compare_since` (UNIX seconds) is `HEAD_START` before
    the end of history, None if that end is unknown."""

    counts: dict[str, int] = field(default_factory=dict)
    merchants: list[str] = field(default_factory=list)
    compare_since: float | None = None
    damaged: dict[tuple[str, str, str], Damaged] = field(default_factory=dict)

    def add(self, what: str, number: int) -> None:
        """Count some more."""
        self.counts[what] = self.counts.get(what, 0) + number


async def restore_ledger(
    ledger: Ledger,
    history: History,
    sealer: Sealer,
    *,
    ledger_retention: float,
    lookback: float,
    show: Callable[[Restored], object],
) -> Restored:
    """Put back everything that is not settled, and everything that the ledger would otherwise mistake for new; then
    open the ledger. Calls `show` after each step. After an interruption, the caller calls it again.

    Raises `Conflict` if the ledger is not empty or history is, `BadSetting` for keys that do not open history's sealed
    values, `LedgerUnavailable` and `HistoryUnavailable`.
    """
    name = await ledger.begin(sealer)
    await history.prepare()
    if await history.is_empty():
        raise Conflict(Reason.of("history_is_empty"))
    await _check_keys(ledger, history, sealer)
    now = await ledger.now()
    lost = await ledger.restoring.begin(now)
    done = Restored(compare_since=await _compare_since(history, lost))
    await _set_up(ledger, history, done, orders_since=now - lookback)
    await _payments(ledger, history, done, recorded_since=now - ledger_retention, show=show)
    await ledger.restoring.open(name, history)
    async for row in history.restore.notifications():
        done.add("notifications", await ledger.restoring.notification(row))
        show(done)
    await ledger.restoring.end()
    return done


async def begin_anew(ledger: Ledger, history: History, sealer: Sealer) -> None:
    """Open an empty ledger beside a history that stays. Nothing is put back, and sequences of new payments start above
    all that the lost ledger can have used. Raises the same errors as `restore_ledger`."""
    name = await ledger.begin(sealer)
    await history.prepare()
    now = await ledger.now()
    await ledger.restoring.begin(now)
    await history.restore.give_up(now)
    await ledger.restoring.open(name, history)
    await ledger.restoring.end()


async def _set_up(ledger: Ledger, history: History, done: Restored, *, orders_since: float) -> None:
    """Put back merchants, endpoints and orders, and the replays and reconciliations that were under way."""
    restoring, restore = ledger.restoring, history.restore

    async def merchants(rows: Sequence[Merchant]) -> None:
        done.add("merchants", await restoring.merchants(rows))
        done.merchants += [row.name for row in rows]

    async def endpoints(rows: Sequence[Endpoint]) -> None:
        done.add("endpoints", await restoring.endpoints(rows))

    async def orders(rows: Sequence[Order]) -> None:
        done.add("orders", await restoring.orders(rows))

    async def replays(rows: Sequence[Replay]) -> None:
        for row in rows:
            done.add("replays", await restoring.replay(row))

    async def runs(rows: Sequence[Reconciliation]) -> None:
        for row in rows:
            done.add("reconciliations", await restoring.reconciliation(row))

    await _put_all(restore.merchants(), merchants, done)
    await _put_all(restore.endpoints(), endpoints, done)
    await _put_all(restore.orders(orders_since), orders, done)
    await _put_all(restore.replays(), replays, done)
    await _put_all(restore.reconciliations(), runs, done)


async def _payments(
    ledger: Ledger, history: History, done: Restored, *, recorded_since: float, show: Callable[[Restored], object]
) -> None:
    """Put back payments with everything that belongs to them, if they are young or not settled or have an unsettled
    delivery. Then put back events that belong to no payment and have an unsettled delivery."""

    async def put(payments: Sequence[Payment]) -> None:
        back, pending = await ledger.restoring.payments(await history.whole_payments.of(payments))
        done.add("payments", back)
        done.add("deliveries", pending)
        show(done)

    async def put_events(named: Sequence[tuple[str, str]]) -> None:
        events = await history.whole_payments.without_payment([event for _, event in named])
        done.add("deliveries", (await ledger.restoring.payments([events]))[1])

    await _put_all(history.restore.payments(recorded_since), put, done)
    async for sent in _batches(history.restore.deliveries()):
        names = {(one.delivery.merchant, one.delivery.imp_uid) for one in sent if one.delivery.imp_uid}
        payments = list((await history.payments.some(sorted(names))).values())
        await put_sound_ones(payments, put, done.damaged, name_of)
        events = [(one.delivery.merchant, one.delivery.event) for one in sent if not one.delivery.imp_uid]
        await put_sound_ones(events, put_events, done.damaged, lambda name: ("event", *name))


async def _put_all(rows: AsyncIterator[R], put: Callable[[Sequence[R]], Awaitable[None]], done: Restored) -> None:
    async for batch in _batches(rows):
        await put_sound_ones(batch, put, done.damaged, name_of)


async def _check_keys(ledger: Ledger, history: History, sealer: Sealer) -> None:
    """Raise `BadSetting` if these keys do not open history's sealed values; an empty ledger accepts any keys."""

    async def sealed() -> AsyncIterator[str]:
        merchant: Merchant
        async for merchant in history.restore.merchants():
            with suppress(ValueError):  # a damaged row is found again, and named, when it is to be put back
                row = unpack_row(merchant.row)
                yield row.get("imp_key", b"").decode()
                yield row.get("imp_secret", b"").decode()
        endpoint: Endpoint
        async for endpoint in history.restore.endpoints():
            with suppress(ValueError):
                for one in ledger.restoring.sealed_in(endpoint):
                    yield one

    try:
        async for one in sealed():
            if one:
                sealer.open(one)
    except Unreadable:
        raise BadSetting(
            "RELAY_ENCRYPTION_KEY: none of these keys opens the secrets in history: give the lost ledger's"
        ) from None


async def _compare_since(history: History, lost: Collection[int] | None) -> float | None:
    """The time at which history ends for the lost cells (None: for all cells), less `HEAD_START`; None if unknown."""
    owner = await history.owner()
    if owner is None:
        return None
    names = None if lost is None else [Outbox.name(owner, cell) for cell in lost]
    places = await history.places_of(owner) if names is None else (await history.places(names)).values()
    at = max(map(Outbox.appended_at, places), default=0) / 1000
    return at - HEAD_START if at else None


async def _batches(rows: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    batch: list[T] = []
    async for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
