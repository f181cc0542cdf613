"""The sandbox as one ASGI application: i'mport's API and the control API over the same book."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sandbox.book import Book
from sandbox.cancellations import Cancellations
from sandbox.control import Control
from sandbox.faults import FaultLayer, Faults
from sandbox.journal import Journal, JournalLayer
from sandbox.routes import IamportApi
from sandbox.tokens import IssuedTokens
from sandbox.webhooks import MINUTE, Webhooks


def build(
    accounts: Mapping[str, str],
    webhook_url: str | None,
    *,
    clock: Callable[[], float] = time.time,
    between_retries: float = MINUTE,
) -> Starlette:
    """An i'mport of its own: ``accounts`` maps imp_key to imp_secret, webhooks go to ``webhook_url``.

    ``between_retries`` is in seconds; ``clock`` gives UNIX seconds.
    """
    tokens, book, faults, journal = IssuedTokens(accounts, clock), Book(clock), Faults(), Journal()
    webhooks = Webhooks(webhook_url, between_retries)
    cancellations = Cancellations(book, webhooks)
    api = IamportApi(tokens, book, cancellations, faults)
    control = Control(tokens, book, webhooks, cancellations, faults, journal)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await control.close()
        await cancellations.close()
        await webhooks.close()

    return Starlette(
        routes=[*control.routes(), *api.routes()],
        middleware=[Middleware(JournalLayer, journal=journal), Middleware(FaultLayer, faults=faults)],
        lifespan=lifespan,
    )
