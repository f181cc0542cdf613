"""Liveness, readiness and metrics of the console, for load balancers and Prometheus."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.context import Context
from console.http.api_tokens import ApiTokens
from console.http.problems import problem
from console.operations.history_state import HistoryState, history_state
from console.operations.redis_status import redis_status, why_not_open
from console.operations.token_uses import TokenUses
from console.resources.stats import HistoryOut, MemoryOut, RedisStats, works
from ledger.heartbeats import Worker, running
from ledger.stats import Stats
from runtime.metrics import CONTENT_TYPE, Metrics
from schemas.errors import LedgerRefused, LedgerUnavailable
from schemas.reasons import Reason, english

T = TypeVar("T")
_AVAILABLE = "Whether Redis can be relied on."


class ConsoleHealth:
    """The answers of /livez, /readyz and /metrics."""

    def __init__(self, context: Context, tokens: ApiTokens, uses: TokenUses) -> None:
        self._context = context
        self._ledger = context.ledger
        self._watch = context.watch
        self._tokens = tokens
        self._uses = uses

    async def livez(self, _request: Request) -> Response:
        """200 while the process answers."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """200 while Redis can be relied on, so that this console can answer; reports other troubles that another
        console would have as well: why Redis is not durable, how full it is, which workers run, whether history is
        away. What Redis does not let it read is null, with a 503, and `ledger` names the missing right; or says what to
        do about a ledger that was lost."""
        try:
            durability = await _unless_refused(self._ledger.durability())
            workers = await _unless_refused(self._ledger.heartbeats.all())
            full = await _unless_refused(self._ledger.memory())
            seen = await redis_status(self._context)
            closed = await _unless_refused(why_not_open(self._context))
            history = await _unless_refused(history_state(self._context))
        except LedgerUnavailable as error:
            return problem(503, error.reason, headers={"retry-after": "1"})
        ready = durability is not None and workers is not None and full is not None and closed is None
        report = {
            "status": "ready" if ready else "unavailable",
            "redis": durability and RedisStats.model_validate(durability).model_dump(),
            "memory": full and MemoryOut.model_validate(full).model_dump(),
            "ledger": works(seen.ledger).model_dump(),
            "queue": works(seen.queue).model_dump(),
            "workers": None if workers is None else _of_workers(workers),
            "history": history and HistoryOut.model_validate(history).model_dump(),
        }
        return JSONResponse(report, 200 if ready else 503, headers=None if ready else {"retry-after": "1"})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text, for callers with a token and from this machine; while Redis is away, only its own."""
        caller = self._tokens.caller(request.headers.get("authorization"))
        if caller is not None:
            await self._uses.note(caller.name)
        elif not _is_local(request):
            return problem(401, Reason.of("token_needed"), headers={"www-authenticate": "Bearer"})
        metrics = Metrics()
        for name, (text, value) in (await self._gauges()).items():
            metrics.gauge(name, text, partial(float, value))
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    async def _gauges(self) -> dict[str, tuple[str, float]]:
        """The numbers; one that Redis refuses to give is left out."""
        try:
            durability = await _unless_refused(self._ledger.durability())
            numbers = await _unless_refused(self._ledger.stats())
            full = await _unless_refused(self._ledger.memory())
            workers = await _unless_refused(self._ledger.heartbeats.all())
            seen = await self._watch.recent()
            history = await _unless_refused(history_state(self._context))
        except LedgerUnavailable:
            return {"relay_redis_available": (_AVAILABLE, 0.0)}
        gauges = {
            "relay_redis_available": (_AVAILABLE, 1.0),
            "relay_ledger_works": ("Whether Redis allows what the ledger needs.", float(seen.ledger is None)),
            "relay_queue_works": ("Whether kicks reach the workers.", float(seen.queue is None)),
        }
        if durability is not None:
            gauges["relay_ledger_durable"] = ("Whether Redis keeps what it acknowledges.", float(durability.durable))
        if full is not None:
            text = "Share of maxmemory in use, 0 where there is none."
            gauges["relay_ledger_memory_ratio"] = (text, full.ratio or 0.0)
        if history is not None:
            gauges |= _of_history(history)
        if workers is not None:
            alive = running(workers)
            gauges["relay_workers"] = ("Workers that run.", alive)
            gauges["relay_workers_quiet"] = ("Workers without a heartbeat for 30 s.", len(workers) - alive)
        return gauges if numbers is None else {**gauges, **_of_stats(numbers)}


async def _unless_refused(read: Awaitable[T]) -> T | None:
    """What Redis answers; None where it refuses to, which the store has logged. Raises `LedgerUnavailable`."""
    try:
        return await read
    except LedgerRefused:
        return None


def _of_workers(workers: Sequence[Worker]) -> dict[str, Any]:
    return {
        "running": running(workers),
        "quiet": [worker.name for worker in workers if worker.quiet],
        "troubles": sorted({english(worker.trouble) for worker in workers if worker.trouble and not worker.quiet}),
    }


def _of_history(history: HistoryState) -> dict[str, tuple[str, float]]:
    return {
        "relay_history_available": ("Whether history can be read.", float(history.available)),
        "relay_history_behind_seconds": (
            "How long the oldest change has waited to be recorded.", history.behind_seconds
        ),
        "relay_history_waiting": ("Changes that are not recorded yet.", history.waiting),
    }  # fmt: skip


def _of_stats(numbers: Stats) -> dict[str, tuple[str, float]]:
    return {
        "relay_spooled": ("Notifications in all receivers' spools.", numbers.spooled),
        "relay_looks_due": ("Payments that are due for a refresh.", numbers.looks_due),
        "relay_oldest_look_seconds": ("How long the oldest has waited for a worker.", numbers.oldest_look or 0),
        "relay_looks_paused": ("Payments that wait because i'mport fails.", numbers.looks_paused),
        "relay_oldest_paused_look_seconds": ("How long the oldest of these is due.", numbers.oldest_paused_look or 0),
        "relay_deliveries_pending": ("Deliveries that are not settled.", numbers.pending),
        "relay_deliveries_held": ("Deliveries that wait for a disabled endpoint.", numbers.held),
        "relay_deliveries_dead": ("Deliveries that were given up.", numbers.dead),
        "relay_oldest_delivery_seconds": (
            "How long the oldest that could be sent has waited for a worker.", numbers.oldest_delivery or 0
        ),
        "relay_deliveries_paused": ("Due deliveries that their endpoint holds back.", numbers.deliveries_paused),
        "relay_oldest_paused_delivery_seconds": (
            "How long the oldest of these is due.", numbers.oldest_paused_delivery or 0
        ),
    }  # fmt: skip


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine itself, not through a proxy on it."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        address = ip_address(request.client.host)
        # A socket for both shows IPv4 inside IPv6.
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return False
