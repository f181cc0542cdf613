"""Resolve host names to the addresses that a callback may be sent to.

The connection is made to the vetted address itself, so a name that resolves differently between check and connection
(DNS rebinding) gains nothing. An address written into a URL is never resolved; `workers.callback_transport` vets it
when it makes the socket.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

from schemas.reasons import Reason, english

Vet = Callable[[str], Reason | None]
"""Takes an address; returns the reason why no callback may be sent to it, or None."""

CONCURRENT_LOOKUPS = 64
"""Enough that a few names whose DNS servers do not answer cannot hold up every other endpoint."""


class ForbiddenAddress(OSError):
    """A callback was about to be sent to a forbidden address."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(english(reason))
        self.reason = reason


class SystemResolver(AbstractResolver):
    """Resolves names with the system's `getaddrinfo`, each in a daemon thread of its own.

    A call cannot be cancelled and may take half a minute. A process that ends would wait for the threads of a pool,
    but does not wait for daemon threads.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(CONCURRENT_LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, in the system's order. Raises `socket.gaierror`."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def resolve_now() -> None:
            outcome: list[ResolveResult] | OSError
            try:
                outcome = _addresses(host, port, family)
            except OSError as error:
                outcome = error
            with suppress(RuntimeError):  # the loop has ended, and with it the caller
                loop.call_soon_threadsafe(_settle, found, outcome)

        async with self._slots:
            threading.Thread(target=resolve_now, name=f"resolve {host}", daemon=True).start()
            return await found

    async def close(self) -> None:
        """Nothing to close."""


def _addresses(host: str, port: int, family: int) -> list[ResolveResult]:
    try:
        infos = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
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


def _settle(future: asyncio.Future[list[ResolveResult]], outcome: list[ResolveResult] | OSError) -> None:
    if future.done():
        return
    if isinstance(outcome, OSError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class VettingResolver(AbstractResolver):
    """Returns only those addresses of another resolver that `vet` permits."""

    def __init__(self, resolver: AbstractResolver, vet: Vet) -> None:
        self._resolver = resolver
        self._vet = vet

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The permitted addresses of `host`. Raises `ForbiddenAddress` if it has none."""
        results = await self._resolver.resolve(host, port, family)
        reasons = [self._vet(result["host"]) for result in results]
        permitted = [result for result, reason in zip(results, reasons, strict=True) if reason is None]
        if not permitted:
            raise ForbiddenAddress(next(filter(None, reasons), Reason.of("no_addresses")))
        return permitted

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._resolver.close()
