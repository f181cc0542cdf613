"""The relay's job as a plain Dramatiq application, done the obvious way.

The handler sends a message for each webhook. One actor does what i'mport's guide shows: it gets a token, looks the
payment up, stores it in Redis and sends a message for each endpoint. Another actor posts the signed callback. With
PEER_REUSES_TOKEN=1 it reuses its token while that is valid, as better applications do.

    uvicorn bench.peers.plain:app
    dramatiq bench.peers.plain
"""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.peers import job

broker = RedisBroker(url=os.environ["PEER_QUEUE_URL"])
dramatiq.set_broker(broker)


async def webhook(request: Request) -> JSONResponse:
    """Take a webhook: the message is on disk when the answer goes out, as Redis syncs every write."""
    form = await request.json()
    refresh.send(form["imp_uid"])
    return JSONResponse({"status": "accepted"})


@dramatiq.actor(max_retries=20, min_backoff=1000)
def refresh(imp_uid: str) -> None:
    """Look at a payment, store it, and have its event sent to every endpoint."""
    event = job.look_up(imp_uid)
    if event is not None:
        for url in job.ENDPOINTS:
            deliver.send(event, url)


@dramatiq.actor(max_retries=20, min_backoff=1000)
def deliver(event: str, url: str) -> None:
    """Post an event to an endpoint; anything but a 2xx is tried again by Dramatiq."""
    job.post(event, url)


app = Starlette(routes=[Route("/webhooks", webhook, methods=["POST"])])
