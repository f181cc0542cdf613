"""Find threads of Dramatiq that died silently: their process looks alive but does no work, so it must exit."""

from __future__ import annotations

from dramatiq import Worker
from dramatiq.asyncio import get_event_loop_thread


def dead_thread(worker: Worker) -> str | None:
    """The name of a thread that has died, None if all are alive."""
    loop = get_event_loop_thread()
    if loop is None or not loop.is_alive():
        return "event loop"
    for queue, consumer in worker.consumers.items():
        if not consumer.is_alive():
            return f"consumer of {queue}"
    for thread in worker.workers:
        if not thread.is_alive():
            return thread.name
    return None
