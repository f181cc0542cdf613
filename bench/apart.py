"""Receiver and workers on hosts of their own, against all on one: what the network between them costs."""

from __future__ import annotations

from bench import end_to_end
from bench.figures import Figure, Report
from bench.machine import BenchProcess, Machine
from bench.namespaces import OUTSIDE, Host, NoNamespaces, hosts
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.systems import RelaySystem


class SpreadRelay(RelaySystem):
    """The receiver in one network namespace, the workers in another, Redis outside; history is a file, which
    namespaces of one machine share."""

    outside = OUTSIDE

    def __init__(self, machine: Machine, receiver: Host, workers: Host, number: int) -> None:
        settings = {
            "REDIS_URL": machine.redis_url.replace("127.0.0.1", OUTSIDE),
            "RELAY_QUEUE_URL": machine.queue_url.replace("127.0.0.1", OUTSIDE),
            "RELAY_ALLOWED_IPS": OUTSIDE,  # as i'mport's addresses are: others may send 500 webhooks a second
        }
        super().__init__(machine, settings, workers=number)
        self._hosts = {"receiver": receiver, "workers": workers}
        self._receiver_host = receiver.address

    async def start_receiver(self) -> None:
        self._machine.configure_redis({"protected-mode": "no", "bind": f"127.0.0.1 {OUTSIDE}"})
        await super().start_receiver()

    def _python(self, module: str, **environ: str) -> BenchProcess:
        command = self._hosts[module].run(*self._machine.command(module))
        return self._machine.run(module, *command, **self._settings, **environ)


async def run(machine: Machine, plan: Plan) -> Report:
    """Webhooks as fast as they are accepted, as `rate`."""
    rates, used = {True: list[float](), False: list[float]()}, {True: list[float](), False: list[float]()}
    try:
        with hosts("receiver", "workers") as made:
            for number in plan.numbers(3):
                systems: dict[bool, RelaySystem] = {
                    False: RelaySystem(machine, workers=CORES),
                    True: SpreadRelay(machine, made["receiver"], made["workers"], CORES),
                }
                for spread, system in systems.items():
                    imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
                    a_second, ms = await end_to_end.measure(machine, system, imp_uids)
                    rates[spread].append(a_second)
                    used[spread].append(sum(ms.values()))
    except NoNamespaces as error:
        return Report("apart", (), notes=(f"left out: {error}",))
    one = "all on one host"
    return Report(
        "apart",
        (
            Figure("receiver and workers on hosts of their own, end to end", "/s", tuple(rates[True]),
                   tuple(rates[False]), one),
            Figure("… all CPU a payment", "ms", tuple(used[True]), tuple(used[False]), one, more=False),
        ),
    )  # fmt: skip
