"""What a replay selects: for each endpoint the events that it has not got, the dead ones, or all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import product

import pytest

from history import History
from schemas.endpoints.replay_selection import Only, Recipient, Selected, Selection
from schemas.outbox import entries as e
from tests.support.outbox_entries import ENDPOINT, NOW, of_payment, one

Record = Callable[..., Awaitable[None]]

PAID = ("payment.paid",)
MINE = Recipient(ENDPOINT, "default", PAID)
NEW = Recipient("ep_new", "default", PAID)
OTHER = Recipient("ep_other", "shop", ("payment.paid", "endpoint.failing"))
UNTIL = NOW / 1000 + 60


async def walked(
    history: History, recipients: list[Recipient], selection: Selection, until: float = UNTIL, most: int = 2
) -> list[Selected]:
    """All that a walk in small steps selects."""
    found: list[Selected] = []
    step = await history.replayable.step(recipients, selection, until, None, most)
    found += step.selected
    while step.after is not None:
        step = await history.replayable.step(recipients, selection, until, step.after, most)
        found += step.selected
    return found


@pytest.fixture
async def full(history: History, record: Record) -> History:
    """Payments 0 to 4 of `default`, a second apart: the second's delivery is dead, the third's pending, the fourth is
    silent and was not sent; one payment of `shop`, and an event about its endpoint."""
    for number, state in enumerate(("delivered", "dead", "pending", None, "delivered")):
        entries = of_payment(number, at=NOW + number * 1000)
        if state is None:
            kept = [entry for entry in entries if not isinstance(entry, e.Delivery | e.Attempt)]
            entries = [replace(entry, silent=True) if isinstance(entry, e.Event) else entry for entry in kept]
        elif state != "delivered":
            entries = [
                replace(entry, state=state) if isinstance(entry, e.Delivery) and entry.state == "delivered" else entry
                for entry in entries
            ]
        await record(entries)
    entries = of_payment(9, merchant="shop", endpoint="ep_other", at=NOW + 9000)
    about = replace(one(entries, e.Event), id="evt_about", type="endpoint.failing", imp_uid="", about="ep_other")
    await record([*entries, about])
    return history


@pytest.mark.parametrize(
    ("only", "silent", "mine", "new"),
    [
        ("undelivered", False, [1], [0, 1, 2, 4]),
        ("undelivered", True, [1, 3], [0, 1, 2, 3, 4]),
        ("dead", False, [1], []),
        ("all", False, [0, 1, 4], [0, 1, 2, 4]),
    ],
)
async def test_each_endpoint_gets_what_it_lacks(
    full: History, only: Only, silent: bool, mine: list[int], new: list[int]
) -> None:
    """Never what is pending; an endpoint that was made later has got nothing yet. The count is what the walk finds."""
    chosen = Selection(only=only, include_silent=silent)
    found = await walked(full, [MINE, NEW], chosen)
    for recipient, numbers in ((MINE, mine), (NEW, new)):
        got = [one.imp_uid for one in found if one.endpoint == recipient.endpoint]
        assert got == [f"imp_{number:012d}" for number in numbers]
        assert await full.replayable.count([recipient], chosen, UNTIL) == len(numbers)
    assert await full.replayable.count([MINE, NEW], chosen, UNTIL) == len(mine) + len(new)


async def test_merchants_types_and_windows(full: History) -> None:
    """An endpoint gets its own merchant's events of its types, never those about itself; `until` is excluded."""
    everything = Selection(only="all", include_silent=True)
    assert [one.type for one in await walked(full, [OTHER], everything)] == ["payment.paid"]
    assert await full.replayable.count([OTHER], everything, UNTIL) == 1
    second = Selection(since=NOW / 1000 + 1, only="all", include_silent=True)
    assert [one.imp_uid for one in await walked(full, [MINE, NEW, OTHER], second, NOW / 1000 + 2)] == [
        "imp_000000000001"
    ] * 2
    assert await walked(full, [], everything) == []


async def test_many_of_one_moment(history: History, record: Record) -> None:
    """A walk in steps selects each event once, however many were recorded in one millisecond."""
    await record(entry for number in range(7) for entry in of_payment(number))
    found = await walked(history, [NEW], Selection(only="all"), most=3)
    assert sorted(one.imp_uid for one in found) == [f"imp_{number:012d}" for number in range(7)]


KINDS = product(
    ("default", "shop"),
    ("payment.paid", "endpoint.failing"),
    (False, True),
    (False, True),
    (None, "pending", "delivered", "dead", "discarded"),
)
"""Merchant, type, silent, sandbox, and the state of its delivery to `ENDPOINT`."""
_WANTED: dict[Only, tuple[str | None, ...]] = {
    "undelivered": (None, "dead", "discarded"),
    "dead": ("dead",),
    "all": (None, "delivered", "dead", "discarded"),
}


async def test_count_and_walk_agree(history: History, record: Record) -> None:
    """On each kind of event, delivery, recipient and selection: as the words of `Selection` and `Recipient` say."""
    events: list[tuple[e.Event, str | None]] = []
    for n, (merchant, type_, silent, sandbox, state) in enumerate(KINDS):
        about = (ENDPOINT, "ep_new", None)[n % 3] if type_ == "endpoint.failing" else None
        event = e.Event(
            f"evt_{n}", merchant, f"imp_{n}", type_, n, NOW + n * 1000, silent=silent, sandbox=sandbox, about=about
        )
        events.append((event, state))
    sent = (
        e.Delivery(event.id, ENDPOINT, event.merchant, event.imp_uid, event.type, state=state, created_at=NOW)
        for event, state in events
        if state is not None
    )
    await record([*(event for event, _ in events), *sent])
    recipients = [
        Recipient(name, merchant, types, include_sandbox)
        for name, merchant in ((ENDPOINT, "default"), ("ep_new", "default"), ("ep_shop", "shop"))
        for types in (("payment.paid",), ("payment.paid", "endpoint.failing"))
        for include_sandbox in (False, True)
    ]
    windows = ((None, NOW + 90_000), (NOW + 20_000, NOW + 60_000), (NOW + 20_001, NOW + 20_002))
    for only, include_silent, (since, until) in product(_WANTED, (False, True), windows):
        chosen = Selection(only=only, include_silent=include_silent, since=None if since is None else since / 1000)
        for one_ in recipients:
            expected = [
                event.id
                for event, state in events
                if (since is None or event.recorded_at >= since)
                and event.recorded_at < until
                and (include_silent or not event.silent)
                and event.merchant == one_.merchant
                and event.type in one_.types
                and event.about != one_.endpoint
                and (one_.include_sandbox or not event.sandbox)
                and (state if one_.endpoint == ENDPOINT else None) in _WANTED[only]
            ]
            found = await walked(history, [one_], chosen, until / 1000, most=30)
            assert [selected.event for selected in found] == expected, (chosen, one_)
            assert await history.replayable.count([one_], chosen, until / 1000) == len(expected), (chosen, one_)
        together = await walked(history, recipients, chosen, until / 1000, most=30)
        assert len(together) == await history.replayable.count(recipients, chosen, until / 1000)
