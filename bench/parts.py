"""What `make bench` measures, by name and in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bench import (
    ack,
    answers,
    apart,
    backlog,
    cluster,
    delayed,
    disk,
    end_to_end,
    fan_out,
    fullness,
    history_away,
    idle,
    latency,
    places,
    recording,
    redis_cost,
    replica,
    starvation,
)
from bench.figures import Report
from bench.machine import Machine
from bench.plan import Plan

PARTS: Mapping[str, Callable[[Machine, Plan], Awaitable[Report]]] = {
    "rate": end_to_end.rate,
    "ack": ack.run,
    "places": places.run,
    "redis": redis_cost.run,
    "latency": latency.latency,
    "silence": latency.silence,
    "idle": idle.run,
    "starvation": starvation.run,
    "fan-out": fan_out.run,
    "delayed": delayed.run,
    "recording": recording.recording,
    "behind": recording.behind,
    "backlog": backlog.run,
    "fullness": fullness.run,
    "answers": answers.run,
    "disk": disk.run,
    "history-away": history_away.run,
    "apart": apart.run,
    "replica": replica.run,
    "cluster": cluster.run,
}
