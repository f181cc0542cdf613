"""Acknowledgements: webhooks stored on disk and answered a second, and how long each answer takes."""

from __future__ import annotations

import itertools

from bench.figures import Figure, Report, percentile
from bench.machine import Machine
from bench.systems import PlainDramatiq, RelaySystem, System
from bench.traffic import Sent, Traffic

CONNECTIONS = 128
SECONDS = 4.0


async def run(machine: Machine, rounds: int, _seed: int) -> Report:
    """Webhooks of different payments on 128 connections, each sent once the one before is answered."""
    relay, plain = list[Sent](), list[Sent]()
    for number in range(rounds):
        plain.append(await _measure(machine, PlainDramatiq(machine), number))
        relay.append(await _measure(machine, RelaySystem(machine), number))
    return Report(
        "ack",
        (
            Figure("acknowledgements", "/s", _rates(relay), _rates(plain), PlainDramatiq.name, mark=4),
            Figure("… p50", "ms", _waits(relay, 50), _waits(plain, 50), PlainDramatiq.name, more=False),
            Figure("… p99", "ms", _waits(relay, 99), _waits(plain, 99), PlainDramatiq.name, more=False),
        ),
    )


async def _measure(machine: Machine, system: System, number: int) -> Sent:
    system.start_receiver()
    await Traffic(system.port).flat_out((f"warm_{i}" for i in range(500)), connections=16)
    names = (f"imp_{number}_{i}" for i in itertools.count())
    sent = await Traffic(system.port).flat_out(names, connections=CONNECTIONS, seconds=SECONDS)
    machine.stop()
    if sent.refused:
        raise RuntimeError(f"{system.name} refused {sent.refused} of {len(sent.waits)} webhooks")
    return sent


def _rates(rounds: list[Sent]) -> tuple[float, ...]:
    return tuple(len(sent.waits) / (sent.ended - sent.began) for sent in rounds)


def _waits(rounds: list[Sent], percent: float) -> tuple[float, ...]:
    return tuple(percentile(sent.waits, percent) * 1000 for sent in rounds)
