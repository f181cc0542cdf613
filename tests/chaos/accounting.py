"""After a run: what became of every webhook that was acknowledged, and whether every promise was kept."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.chaos.faults import Injected
from tests.chaos.house import ENDPOINTS, House
from tests.chaos.load import Load


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
    broken: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    given_up: int = 0

    @property
    def lost(self) -> int:
        """Acknowledged webhooks of which nothing became."""
        return self.accepted - sum(self.outcomes.values())


async def account(house: House, load: Load, injected: Injected) -> Account:
    """The account of a run that has settled."""
    made = Account(accepted=len(load.accepted), answers=load.answers, given_up=load.given_up)
    async with house.state() as state:
        notified = await state.outcomes(list(load.accepted))
        states = await state.deliveries(ENDPOINTS[0])
    for identity, (imp_uid, step, _) in load.accepted.items():
        outcome = "rejected" if step == 0 and notified.get(identity) == "rejected" else states.get((imp_uid, step))
        if identity in notified and outcome is not None:
            made.outcomes[outcome] += 1
        else:
            made.broken.append(f"webhook {identity} of {imp_uid}, step {step}: {notified.get(identity)}, {outcome}")
    _facts(house, made)
    _order(house, made)
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
            heard = subscriber.first.get((name, f"{imp_uid}/{step}"))
            if heard is None:
                made.broken.append(f"{name} never heard {event} of {imp_uid}")
            elif heard[3] != f"payment.{event}":
                made.broken.append(f"{name} heard {heard[3]} as {imp_uid}/{step}, not {event}")
    if made.most_ids > 1:
        made.broken.append("a fact was told under several ids")
    if extra := subscriber.ids.keys() - told_of:
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


def _recovery(house: House, load: Load, injected: Injected, made: Account) -> None:
    """How long after a fault everything was told that had been accepted by its end."""
    first = house.subscriber.first
    for name, _, ended in injected:
        late = [
            first[ENDPOINTS[0], f"{imp_uid}/{step}"][0] - ended
            for imp_uid, step, at in load.accepted.values()
            if step and at <= ended and (ENDPOINTS[0], f"{imp_uid}/{step}") in first
        ]
        made.recovery[name].append(max(0.0, max(late, default=0.0)))


def median(seconds: list[float]) -> float:
    """The middle one."""
    return statistics.median(seconds) if seconds else 0.0
