"""What the Python peers' tasks do: i'mport's token and look-up, the stored event, the signed callback.

HTTP is synchronous httpx with one client a process, which reuses connections. Redis is as durable as the relay's.
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

import httpx
import orjson
import redis

API = os.environ["IMP_API_URL"]
ENDPOINTS = [url for url in os.environ["PEER_ENDPOINTS"].split(",") if url]
SECRET = base64.b64decode(os.environ["PEER_SECRET"])
TIMEOUT = float(os.environ["PEER_TIMEOUT"])
REUSES_TOKEN = os.environ.get("PEER_REUSES_TOKEN") == "1"

# The command lines log at info; httpx would log a line a request, which is usually turned off.
logging.getLogger("httpx").setLevel(logging.WARNING)

store = redis.Redis.from_url(os.environ["REDIS_URL"])
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


def look_up(imp_uid: str) -> str | None:
    """Look a payment up and store its event; the event's id, None if it was stored before."""
    answer = client.get(f"{API}/payments/{imp_uid}", headers={"authorization": token.get()}).raise_for_status()
    payment = answer.json()["response"]
    event = f"evt_{imp_uid}_{payment['status']}"
    body = {"id": event, "type": f"payment.{payment['status']}", "data": {"imp_uid": imp_uid, "payment": payment}}
    return event if store.set(event, orjson.dumps(body), nx=True) else None


def post(event: str, url: str) -> None:
    """Post an event to an endpoint. Raises `httpx.HTTPError` for anything but a 2xx."""
    body = store.get(event)
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
