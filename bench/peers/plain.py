"""The relay's job as a plain Dramatiq application, done the obvious way.

The handler sends a message for each webhook. One actor does what i'mport's guide shows: it gets a token, looks the
payment up, records it in Redis and sends a message for each endpoint. Another actor posts the signed callback. HTTP is
synchronous httpx with one client a process, which reuses connections. Redis is as durable as the relay's. With
PEER_REUSES_TOKEN=1 it reuses its token while that is valid, as better applications do.

    uvicorn bench.peers.plain:app
    dramatiq bench.peers.plain
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import threading
import time
from typing import Any

import dramatiq
import httpx
import orjson
import redis
from dramatiq.brokers.redis import RedisBroker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

API = os.environ["IMP_API_URL"]
ENDPOINTS = [url for url in os.environ["PEER_ENDPOINTS"].split(",") if url]
SECRET = base64.b64decode(os.environ["PEER_SECRET"])
TIMEOUT = float(os.environ["PEER_TIMEOUT"])
REUSES_TOKEN = os.environ.get("PEER_REUSES_TOKEN") == "1"

# The command line logs at info; httpx would log a line a request, which is usually turned off.
logging.getLogger("httpx").setLevel(logging.WARNING)

broker = RedisBroker(url=os.environ["PEER_QUEUE_URL"])
dramatiq.set_broker(broker)
ledger = redis.Redis.from_url(os.environ["REDIS_URL"])
client = httpx.Client(timeout=TIMEOUT)


class Token:
    """i'mport's access token, kept where that is wanted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = ""
        self._until = 0.0

    def get(self) -> str:
        """A token that is good for a while still."""
        if not REUSES_TOKEN:
            return str(self._ask()["access_token"])
        with self._lock:
            if time.monotonic() > self._until:
                given = self._ask()
                self._text = given["access_token"]
                self._until = time.monotonic() + given["expired_at"] - given["now"] - 60
            return self._text

    def _ask(self) -> dict[str, Any]:
        form = {"imp_key": os.environ["IMP_KEY"], "imp_secret": os.environ["IMP_SECRET"]}
        given: dict[str, Any] = client.post(f"{API}/users/getToken", json=form).raise_for_status().json()["response"]
        return given


token = Token()


async def webhook(request: Request) -> JSONResponse:
    """Take a webhook: the message is on disk when the answer goes out, as Redis syncs every write."""
    form = await request.json()
    refresh.send(form["imp_uid"])
    return JSONResponse({"status": "accepted"})


@dramatiq.actor(max_retries=20, min_backoff=1000)
def refresh(imp_uid: str) -> None:
    """Look at a payment, note it, and have its event sent to every endpoint."""
    answer = client.get(f"{API}/payments/{imp_uid}", headers={"authorization": token.get()}).raise_for_status()
    payment = answer.json()["response"]
    event = f"evt_{imp_uid}_{payment['status']}"
    body = {"id": event, "type": f"payment.{payment['status']}", "data": {"imp_uid": imp_uid, "payment": payment}}
    if not ledger.set(event, orjson.dumps(body), nx=True):
        return
    for url in ENDPOINTS:
        deliver.send(event, url)


@dramatiq.actor(max_retries=20, min_backoff=1000)
def deliver(event: str, url: str) -> None:
    """Post an event to an endpoint; anything but a 2xx is tried again by Dramatiq."""
    body = ledger.get(event)
    assert isinstance(body, bytes)
    stamp = str(int(time.time()))
    digest = hmac.new(SECRET, b".".join((event.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    client.post(url, content=body, headers=headers).raise_for_status()


app = Starlette(routes=[Route("/webhooks", webhook, methods=["POST"])])
