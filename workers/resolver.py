"""Names become addresses here, and only those a callback may go to come out.

The addresses that were vetted are the ones that get connected to, so a name that changes its mind between a check
and the connection (DNS rebinding) gains nothing. Addresses written into a URL need no resolver and never come by
here: `workers.callback_transport` vets them, once more, where the socket is made.
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
"""Takes an address; gives the reason why no callback may go there, or None."""

LOOKUPS = 64
"""Look-ups at a time. With fewer a handful of names whose servers are silent would hold up every other endpoint."""


class ForbiddenAddress(OSError):
    """A callback was about to go to a forbidden address."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(english(reason))
        self.reason = reason


class SystemResolver(AbstractResolver):
    """Asks the system (`getaddrinfo`), each time in a thread of its own.

    A look-up cannot be cancelled and may take half a minute. A process waits for the threads of a pool when it ends,
    but not for daemon threads.
    """

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(LOOKUPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`, in the system's order. Raises `socket.gaierror`."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def look_up() -> None:
            outcome: list[ResolveResult] | OSError
            try:
                outcome = _addresses(host, port, family)
            except OSError as error:
                outcome = error
            with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits any more
                loop.call_soon_threadsafe(_settle, found, outcome)

        async with self._room:
            threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
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
    """Passes on only those addresses of another resolver that `vet` finds no reason against."""

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
            raise ForbiddenAddress(next(filter(None, reasons), Reason.of("no_addresses")))
        return passed

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._resolver.close()
