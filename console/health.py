"""Is the console alive, can it work, and what does it count: for load balancers and Prometheus."""

from __future__ import annotations

from ipaddress import ip_address

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.api.problems import problem
from console.api.tokens import Tokens
from ledger.ledger import Ledger
from ledger.stats import Stats, stats
from schemas.errors import LedgerUnavailable

_CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Health:
    """The answers of /livez, /readyz and /metrics."""

    def __init__(self, ledger: Ledger, tokens: Tokens) -> None:
        self._ledger = ledger
        self._tokens = tokens

    async def livez(self, _request: Request) -> Response:
        """200 while the process answers."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """200 while Redis can be relied on; says what makes it less than durable."""
        try:
            durability = await self._ledger.durability()
        except LedgerUnavailable as error:
            return problem(503, str(error), headers={"retry-after": "1"})
        redis = {"durable": durability.durable, "reasons": list(durability.reasons)}
        return JSONResponse({"status": "ready", "redis": redis})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text, for whoever has a token and for this machine."""
        if self._tokens.caller(request.headers.get("authorization")) is None and not _is_local(request):
            return problem(401, "A valid bearer token is needed", headers={"www-authenticate": "Bearer"})
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        durable = (await self._ledger.durability()).durable
        registry.register(_Numbers(await stats(self._ledger.store), durable=durable))
        return Response(generate_latest(registry), media_type=_CONTENT_TYPE)


class _Numbers(Collector):
    """The ledger's numbers as gauges."""

    def __init__(self, numbers: Stats, *, durable: bool) -> None:
        self._numbers = numbers
        self._durable = durable

    def collect(self) -> list[GaugeMetricFamily]:
        numbers = self._numbers
        gauges = {
            "relay_ledger_durable": ("Whether Redis keeps what it acknowledges.", float(self._durable)),
            "relay_spooled": ("Notifications in all receivers' spools.", numbers.spooled),
            "relay_looks_due": ("Payments that are to be looked at now.", numbers.looks_due),
            "relay_oldest_look_seconds": ("How long the oldest of these has waited.", numbers.oldest_look or 0),
            "relay_deliveries_pending": ("Deliveries that are not settled.", numbers.pending),
            "relay_deliveries_held": ("Deliveries that wait for a disabled endpoint.", numbers.held),
            "relay_deliveries_dead": ("Deliveries that were given up.", numbers.dead),
            "relay_oldest_delivery_seconds": ("How long the oldest due one has waited.", numbers.oldest_delivery or 0),
        }
        return [GaugeMetricFamily(name, text, value=value) for name, (text, value) in gauges.items()]


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine itself, not through a proxy on it."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
