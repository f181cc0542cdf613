"""The sandbox as one ASGI application: i'mport's API and the control API over the same payments."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from sandbox.cancellations import Cancellations
from sandbox.control_api import ControlApi
from sandbox.faults import FaultMiddleware, Faults
from sandbox.iamport_api import IamportApi
from sandbox.payments import SandboxPayments
from sandbox.request_log import RequestLog, RequestLogMiddleware
from sandbox.tokens import IssuedTokens
from sandbox.webhooks import MINUTE, Webhooks


def build(
    accounts: Mapping[str, str],
    webhook_url: str | None,
    *,
    clock: Callable[[], float] = time.time,
    between_retries: float = MINUTE,
) -> Starlette:
    """An offline i'mport: ``accounts`` maps imp_key to imp_secret, webhooks go to ``webhook_url``.

    ``between_retries`` is in seconds; ``clock`` gives UNIX seconds.
    """
    tokens, payments = IssuedTokens(accounts, clock), SandboxPayments(clock)
    faults, request_log = Faults(), RequestLog()
    webhooks = Webhooks(webhook_url, between_retries)
    cancellations = Cancellations(payments, webhooks)
    api = IamportApi(tokens, payments, cancellations, faults)
    control = ControlApi(tokens, payments, webhooks, cancellations, faults, request_log)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await control.close()
        await cancellations.close()
        await webhooks.close()

    return Starlette(
        routes=[*control.routes(), *api.routes()],
        middleware=[
            Middleware(RequestLogMiddleware, request_log=request_log),
            Middleware(FaultMiddleware, faults=faults),
        ],
        lifespan=lifespan,
    )
