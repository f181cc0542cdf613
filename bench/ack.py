"""Acknowledgements: webhooks stored on disk and answered a second, and how long each answer takes."""

from __future__ import annotations

import itertools
from collections import defaultdict

from bench.figures import Figure, Report, percentile
from bench.machine import Machine
from bench.peer_systems import FastapiCelery, FastifyBullmq, PlainDramatiq, installed
from bench.plan import Plan
from bench.systems import RelaySystem, System
from bench.traffic import Sent, Traffic

CONNECTIONS = 128


async def run(machine: Machine, plan: Plan) -> Report:
    """Webhooks of different payments on 128 connections, each sent once the one before is answered."""
    peers, notes = installed((PlainDramatiq, FastapiCelery, FastifyBullmq))
    found = defaultdict[str, list[Sent]](list)
    for number in plan.numbers(3):
        systems: list[System] = [RelaySystem(machine), *(peer(machine) for peer in peers)]
        for system in systems:
            found[system.name].append(await _measure(machine, system, number, plan))
    relay = found[RelaySystem.name]
    figures = []
    for peer in peers:
        other = found[peer.name]
        least, goal = (8.0, 10.0) if peer is PlainDramatiq else (None, None)
        figures += [
            Figure("acknowledgements, one receiver", "/s", _rates(relay), _rates(other), peer.name, True, least, goal),
            Figure("… p99", "ms", _waits(relay, 99), _waits(other, 99), peer.name, more=False),
        ]
    return Report("ack", tuple(figures), notes=notes)


async def _measure(machine: Machine, system: System, number: int, plan: Plan) -> Sent:
    await system.start_receiver()
    await Traffic(system.port).flat_out((f"warm_{i}" for i in range(500)), connections=16)
    names = (f"imp_{number}_{i}" for i in itertools.count())
    sent = await Traffic(system.port).flat_out(names, connections=CONNECTIONS, seconds=plan.size(5, 1))
    machine.stop()
    if sent.refused:
        raise RuntimeError(f"{system.name} refused {sent.refused} of {len(sent.waits)} webhooks")
    return sent


def _rates(rounds: list[Sent]) -> tuple[float, ...]:
    return tuple(len(sent.waits) / (sent.ended - sent.began) for sent in rounds)


def _waits(rounds: list[Sent], percent: float) -> tuple[float, ...]:
    return tuple(percentile(sent.waits, percent) * 1000 for sent in rounds)
