"""Putting back a lost ledger from history, or beginning anew beside it: the work of `relay restore`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from cli.damaged import Damaged, Row, name_of, put_sound_ones
from history import History
from ledger import Ledger
from ledger.endpoint_rows import load
from ledger.outbox import milliseconds, outbox_name
from runtime.encryption import Sealer
from schemas.errors import BadSetting, Conflict, Unreadable
from schemas.outbox.entries import Endpoint, Merchant, Order, Payment, Reconciliation, Replay
from schemas.outbox.packed_row import unpack_row
from schemas.reasons import Reason

T = TypeVar("T")
R = TypeVar("R", bound=Row)

BATCH = 50
"""Payments that are read and put back together."""
HEAD_START = 3600.0
"""Seconds by which the comparison begins before what history has last: i'mport may show something a while later."""


@dataclass(slots=True)
class PutBack:
    """How much was put back, and which rows of history are `damaged` and were not; `compare_since` (UNIX seconds) is
    when history ends, less an hour, and None where that is not known."""

    counts: dict[str, int] = field(default_factory=dict)
    merchants: list[str] = field(default_factory=list)
    compare_since: float | None = None
    damaged: dict[tuple[str, str, str], Damaged] = field(default_factory=dict)

    def add(self, what: str, number: int) -> None:
        """Count some more."""
        self.counts[what] = self.counts.get(what, 0) + number


async def put_back(
    ledger: Ledger,
    history: History,
    sealer: Sealer,
    *,
    ledger_retention: float,
    lookback: float,
    show: Callable[[PutBack], object],
) -> PutBack:
    """Put back everything that is not settled and what the ledger would take for new, then open it; `show` is called
    as it goes on. Whoever was interrupted calls it again.

    Raises `Conflict` for a ledger that is not empty or a history that is, `BadSetting` for keys that do not open what
    is sealed, `LedgerUnavailable` and `HistoryUnavailable`.
    """
    name = await ledger.begin(sealer)
    await history.prepare()
    if await history.is_empty():
        raise Conflict(Reason.of("history_is_empty"))
    await _check_keys(history, sealer)
    now = await ledger.now()
    lost = await ledger.restoring.begin(now)
    done = PutBack(compare_since=await _compare_since(history, lost))
    await _set_up(ledger, history, done, orders_since=now - lookback)
    await _payments(ledger, history, done, recorded_since=now - ledger_retention, show=show)
    await ledger.restoring.open(name, history)
    async for row in history.restore.notifications():
        done.add("notifications", await ledger.restoring.notification(row))
        show(done)
    await ledger.restoring.end()
    return done


async def begin_anew(ledger: Ledger, history: History, sealer: Sealer) -> None:
    """Open an empty ledger beside a history that stays: nothing is put back, and sequences of new payments start above
    all that the lost ledger can have used. Raises as `put_back` does."""
    name = await ledger.begin(sealer)
    await history.prepare()
    now = await ledger.now()
    await ledger.restoring.begin(now)
    await history.restore.give_up(now)
    await ledger.restoring.open(name, history)
    await ledger.restoring.end()


async def _set_up(ledger: Ledger, history: History, done: PutBack, *, orders_since: float) -> None:
    """What operators have set up, and what they had under way."""
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
    ledger: Ledger, history: History, done: PutBack, *, recorded_since: float, show: Callable[[PutBack], object]
) -> None:
    """Payments with all that belongs to them: those that are young or not settled, and those with a delivery that is
    not; then events that belong to no payment, where a delivery of them is not settled."""

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


async def _put_all(rows: AsyncIterator[R], put: Callable[[Sequence[R]], Awaitable[None]], done: PutBack) -> None:
    async for batch in _batches(rows):
        await put_sound_ones(batch, put, done.damaged, name_of)


async def _check_keys(history: History, sealer: Sealer) -> None:
    """Raise `BadSetting` where these keys do not open what is sealed: an empty ledger takes any."""

    async def sealed() -> AsyncIterator[str | None]:
        merchant: Merchant
        async for merchant in history.restore.merchants():
            with suppress(ValueError):  # one that is damaged is found again, and named, when it is to be put back
                yield unpack_row(merchant.row).get("imp_secret", b"").decode()
        endpoint: Endpoint
        async for endpoint in history.restore.endpoints():
            with suppress(ValueError):
                for secret in load(unpack_row(endpoint.row)).secrets:
                    yield secret.sealed

    try:
        async for one in sealed():
            if one:
                sealer.open(one)
    except Unreadable:
        raise BadSetting(
            "RELAY_ENCRYPTION_KEY: none of these keys opens the secrets in history: give the lost ledger's"
        ) from None


async def _compare_since(history: History, lost: Collection[int] | None) -> float | None:
    """When history ends of what was lost: these cells, None for all that there were."""
    owner = await history.owner()
    if owner is None:
        return None
    names = None if lost is None else [outbox_name(owner, cell) for cell in lost]
    places = await history.places_of(owner) if names is None else (await history.places(names)).values()
    at = max(map(milliseconds, places), default=0) / 1000
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
