"""The relay's job with FastAPI and Celery over Redis.

The handler is synchronous, as FastAPI advises where a library blocks: it runs in a thread. A task is acknowledged once
it is done, so that none is lost with its process, and keeps no result. The token is reused while it is valid.

    uvicorn bench.peers.fastapi_celery.app:api
    celery -A bench.peers.fastapi_celery.app:tasks worker
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals
from fastapi import FastAPI

from bench.peers import job

tasks = Celery("peer", broker=os.environ["PEER_QUEUE_URL"])
tasks.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)
api = FastAPI()

RETRIES = {"autoretry_for": (Exception,), "retry_backoff": True, "max_retries": 20}


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def announce(**_sent: object) -> None:
    """Say when tasks are taken: Celery itself says so where it logs a line a task as well."""
    print("the worker is ready", flush=True)


@api.post("/webhooks")  # type: ignore[untyped-decorator]
def webhook(form: dict[str, Any]) -> dict[str, str]:
    """Take a webhook: the task is on disk when the answer goes out, as Redis syncs every write."""
    refresh.delay(form["imp_uid"])
    return {"status": "accepted"}


@tasks.task(**RETRIES)  # type: ignore[untyped-decorator]
def refresh(imp_uid: str) -> None:
    """Look at a payment, store it, and have its event sent to every endpoint."""
    event = job.look_up(imp_uid)
    if event is not None:
        for url in job.ENDPOINTS:
            deliver.delay(event, url)


@tasks.task(**RETRIES)  # type: ignore[untyped-decorator]
def deliver(event: str, url: str) -> None:
    """Post an event to an endpoint; anything but a 2xx is tried again by Celery."""
    job.post(event, url)
