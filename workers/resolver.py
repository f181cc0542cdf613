"""Names become addresses here, and only those a callback may go to come out.

The addresses that were vetted are the ones that get connected to, so a name that changes its mind between a check
and the connection (DNS rebinding) gains nothing. Addresses written into a URL need no resolver and never come by
here: `workers.outbound` vets them, once more, where the socket is made.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

Vet = Callable[[str], str | None]
"""Takes an address; gives the reason why no callback may go there, or None."""

# A lookup cannot be called off: it keeps its thread until the system gives up. With fewer threads a handful of
# names whose servers are silent would hold up every other endpoint. Threads are made as they are needed.
LOOKUP_THREADS = 64


class ForbiddenAddress(OSError):
    """A callback was about to go where it may not; the text is the reason."""


class SystemResolver(AbstractResolver):
    """Asks the system (`getaddrinfo`) in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, "resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, in the system's order. Raises `socket.gaierror`."""
        infos = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG),
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found, _, proto, _, address in infos
        ]

    async def close(self) -> None:
        """Let the threads go; what they are still waiting for is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class VettingResolver(AbstractResolver):
    """Gives on only the addresses of another resolver that `vet` has nothing against."""

    def __init__(self, resolver: AbstractResolver, vet: Vet) -> None:
        self._resolver = resolver
        self._vet = vet

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The vetted addresses of `host`. Raises `ForbiddenAddress` when it has none but forbidden ones."""
        results = await self._resolver.resolve(host, port, family)
        reasons = [self._vet(result["host"]) for result in results]
        passed = [result for result, reason in zip(results, reasons, strict=True) if reason is None]
        if not passed:
            raise ForbiddenAddress(next(filter(None, reasons), "no addresses"))
        return passed

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._resolver.close()
