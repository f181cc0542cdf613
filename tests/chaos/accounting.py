"""After a run: what became of every webhook that was acknowledged, and whether every promise was kept."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.faults import Injected
from tests.chaos.history_faults import HISTORY_FAULTS
from tests.chaos.house import ENDPOINTS, House
from tests.chaos.load import Load
from tests.support.history_rows import Rows, differences, rows_of_history, rows_of_ledger

PROMPT = 15.0
"""Seconds in which a webhook is told while all but history is well; generous, as the machine does much else."""


@dataclass
class Account:
    """One run in numbers. ``outcomes`` counts acknowledged webhooks by what became of them; ``broken`` are promises
    that were not kept, in words; ``recovery`` is in seconds, by fault."""

    accepted: int = 0
    payments: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    facts: int = 0
    most_ids: int = 0
    duplicates: int = 0
    callbacks: int = 0
    recovery: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    recorded_in: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    in_history: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    given_up: int = 0

    @property
    def lost(self) -> int:
        """Acknowledged webhooks of which nothing became."""
        return self.accepted - sum(self.outcomes.values())


async def account(house: House, load: Load, injected: Sequence[Injected]) -> Account:
    """The account of a run that has settled."""
    made = Account(accepted=len(load.accepted), answers=load.answers, given_up=load.given_up)
    async with house.state() as state:
        notified = await state.outcomes(list(load.accepted))
        states = {
            (imp_uid, house.subscriber.step(imp_uid, sequence)): state
            for (imp_uid, sequence), state in (await state.deliveries(ENDPOINTS[0])).items()
        }
        ledger, history = await rows_of_ledger(state), await rows_of_history(house.history.url)
    for identity, (imp_uid, step, _) in load.accepted.items():
        outcome = "rejected" if step == 0 and notified.get(identity) == "rejected" else states.get((imp_uid, step))
        if identity in notified and outcome is not None:
            made.outcomes[outcome] += 1
        else:
            made.broken.append(f"webhook {identity} of {imp_uid}, step {step}: {notified.get(identity)}, {outcome}")
    _facts(house, made)
    _order(house, made)
    made.in_history = history.counts
    made.broken += differences(history, ledger)
    _history(house, load, history, made)
    _recovery(house, load, injected, made)
    return made


def _facts(house: House, made: Account) -> None:
    """Every step of every payment was told to every endpoint, as what it was, under one id."""
    subscriber = house.subscriber
    made.payments = len(house.shop.payments)
    made.most_ids = max((len(ids) for ids in subscriber.ids.values()), default=0)
    made.callbacks = sum(subscriber.taken.values())
    made.duplicates = made.callbacks - len(subscriber.first)
    told_of = {(imp_uid, step) for imp_uid, step, _ in house.shop_steps()}
    made.facts = len(told_of)
    for imp_uid, step, event in house.shop_steps():
        for name in ENDPOINTS:
            heard = subscriber.took(name, imp_uid, step)
            if heard is None:
                made.broken.append(f"{name} never heard {event} of {imp_uid}")
            elif heard[3] != f"payment.{event}":
                made.broken.append(f"{name} heard {heard[3]} as {imp_uid}/{step}, not {event}")
    if made.most_ids > 1:
        made.broken.append("a fact was told under several ids")
    if extra := {(imp_uid, subscriber.step(imp_uid, sequence)) for imp_uid, sequence in subscriber.ids} - told_of:
        made.broken.append(f"events that never happened: {sorted(extra)[:5]}")


def _order(house: House, made: Account) -> None:
    """At the ordered endpoint nothing was first taken before what came before it."""
    places: dict[str, dict[int, int]] = defaultdict(dict)
    for (name, what), (_, _, place, _) in house.subscriber.first.items():
        if name == ENDPOINTS[0]:
            imp_uid, _, sequence = what.partition("/")
            places[imp_uid][int(sequence)] = place
    for imp_uid, taken in places.items():
        if [taken[sequence] for sequence in sorted(taken)] != sorted(taken.values()):
            made.broken.append(f"{imp_uid} was told out of order: {taken}")


def _history(house: House, load: Load, rows: Rows, made: Account) -> None:
    """History has what was acknowledged and what subscribers took, exactly once."""
    if lacking := load.accepted.keys() - rows.notifications.keys():
        made.broken.append(f"history lacks {len(lacking)} acknowledged webhooks: {sorted(lacking)[:5]}")
    told = {(imp_uid, step): f"payment.{event}" for imp_uid, step, event in house.shop_steps()}
    ids: dict[tuple[str, int], list[str]] = defaultdict(list)
    steps = {}
    for identity, (imp_uid, sequence, type_) in rows.events.items():
        ids[imp_uid, sequence].append(identity)
        steps[imp_uid, sequence] = step = (imp_uid, house.subscriber.step(imp_uid, sequence))
        if told.get(step) != type_:
            made.broken.append(f"history has {type_} as {imp_uid}/{sequence}, which is {told.get(step)}")
    for fact, heard in house.subscriber.ids.items():
        if sorted(heard) != ids[fact]:
            made.broken.append(f"history has {ids[fact]} as {fact}, subscribers took {heard}")
    for fact in steps.keys() - house.subscriber.ids.keys():
        made.broken.append(f"no subscriber took {fact}, and history has {ids[fact]}")
    if unrecorded := told.keys() - set(steps.values()):
        made.broken.append(f"history lacks {len(unrecorded)} events: {sorted(unrecorded)[:5]}")
    taken = {f"{event}.{name}": "delivered" for name, event in house.subscriber.deliveries()}
    if taken != {identity: state for identity, (state, _) in rows.deliveries.items()}:
        made.broken.append("history has other deliveries than subscribers took")


def _recovery(house: House, load: Load, injected: Sequence[Injected], made: Account) -> None:
    """How long after a fault everything was told that had been accepted by its end, and when history had it. What
    happens to history holds up no callback."""
    took = house.subscriber.took
    for one in injected:
        late = [
            taken[0] - one.mended
            for imp_uid, step, at in load.accepted.values()
            if step and at <= one.mended and (taken := took(ENDPOINTS[0], imp_uid, step)) is not None
        ]
        made.recovery[one.name].append(max(0.0, max(late, default=0.0)))
        made.recorded_in[one.name].append(one.recorded_in)
        if one.name in HISTORY_FAULTS:
            made.broken += _held_up(house, load, one)


def _held_up(house: House, load: Load, one: Injected) -> list[str]:
    """Webhooks that were accepted early in a fault and told after it, in words."""
    took = house.subscriber.took
    late = [
        f"{imp_uid}/{step}"
        for imp_uid, step, at in load.accepted.values()
        if step and one.began <= at <= one.mended - PROMPT
        and (took(ENDPOINTS[0], imp_uid, step) or (one.mended,))[0] >= one.mended
    ]  # fmt: skip
    return [f"{len(late)} callbacks waited for the end of {one.name}: {sorted(late)[:5]}"] if late else []


def median(seconds: list[float]) -> float:
    """The middle one."""
    return statistics.median(seconds) if seconds else 0.0
